package attest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"qimport/internal/untrusted"
	"qimport/manifest"
)

// ErrCosign marks a keyless signature that could not be made, or not be asked about.
var ErrCosign = errors.New("keyless signing needs cosign")

// Cosign is an installed cosign, which signs without a key, as whoever it is that a provider of identities
// knows, and says who has signed. It needs sigstore's servers; with a trusted root in a file, it checks without.
type Cosign struct {
	program string
	told    io.Writer // what it says, such as where to log in
}

// FindCosign finds cosign in the PATH. What it says while it signs goes to told.
func FindCosign(told io.Writer) (*Cosign, error) {
	program, err := exec.LookPath("cosign")
	if err != nil {
		return nil, fmt.Errorf("%w: %w; docs/attestation.md says which", ErrCosign, err)
	}
	return &Cosign{program, told}, nil
}

// Identity is who is to have signed, as a certificate of sigstore names them.
type Identity struct {
	Name        string // an address, or the URI of a workflow
	Issuer      string // URL of the provider that vouches for it
	TrustedRoot string // file of sigstore's keys; "" lets cosign fetch them
}

// IsZero says that nobody is named.
func (i Identity) IsZero() bool { return i == Identity{} }

// String names them for people.
func (i Identity) String() string { return fmt.Sprintf("%s (%s)", i.Name, i.Issuer) }

// Sign signs a statement. The envelope is in the bundle that cosign made.
func (c *Cosign) Sign(ctx context.Context, payload []byte) (e Envelope, err error) {
	dir, err := os.MkdirTemp("", "qimport-attest-")
	if err != nil {
		return e, err
	}
	defer os.RemoveAll(dir)
	statement, out := filepath.Join(dir, "statement.json"), filepath.Join(dir, "bundle.json")
	if err := os.WriteFile(statement, payload, 0o600); err != nil {
		return e, err
	}
	if err := c.run(ctx, c.told, "attest-blob", "--statement="+statement, "--bundle="+out, "--new-bundle-format", "--yes"); err != nil {
		return e, fmt.Errorf("%w: it did not sign: %w", ErrCosign, err)
	}
	b, err := untrusted.ReadFile(out, MaxBytes)
	if err != nil {
		return e, fmt.Errorf("%w, and one that writes bundles: %w", ErrCosign, err)
	}
	e, ok, err := parseBundle(b)
	if err == nil && !ok {
		err = errors.New("it is no sigstore bundle")
	}
	if err == nil && !bytes.Equal(e.payload, payload) {
		err = errors.New("another statement was signed than it was given")
	}
	if err != nil {
		return e, fmt.Errorf("%w: what it wrote is not read: %w", ErrCosign, err)
	}
	return e, nil
}

// Check asks whether who has signed an envelope is who they should be, and it is on that manifest. nil is a yes;
// an error that is not ErrCosign is cosign's no.
func (c *Cosign) Check(ctx context.Context, e Envelope, predicate string, d manifest.Digest, by Identity) error {
	dir, err := os.MkdirTemp("", "qimport-attest-")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCosign, err)
	}
	defer os.RemoveAll(dir)
	b, err := EncodeEnvelopes([]Envelope{e})
	file := filepath.Join(dir, "bundle.json")
	if err == nil {
		err = os.WriteFile(file, b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCosign, err)
	}
	args := []string{"verify-blob-attestation", "--bundle=" + file, "--new-bundle-format", "--type=" + predicate,
		"--digest=" + d.Hex(), "--digestAlg=sha256", "--certificate-identity=" + by.Name, "--certificate-oidc-issuer=" + by.Issuer}
	if by.TrustedRoot != "" {
		args = append(args, "--trusted-root="+by.TrustedRoot)
	}
	return c.run(ctx, io.Discard, args...)
}

// maxSaid is how much of what cosign says is kept for an error.
const maxSaid = 16 << 10

// run runs cosign without a shell: each argument is one word of its own, whatever is in it.
func (c *Cosign) run(ctx context.Context, told io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, c.program, args...)
	var said tail
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, io.Discard, io.MultiWriter(&said, told)
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil, ctx.Err() != nil:
		return ctx.Err()
	case !errors.As(err, &exit):
		return fmt.Errorf("%w: %w", ErrCosign, err)
	}
	return errors.New(cmp.Or(said.reason(), exit.Error()))
}

// tail keeps the end of what is written to it.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > maxSaid {
		t.b = bytes.Clone(t.b[len(t.b)-maxSaid:])
	}
	return len(p), nil
}

// reason is the line in which cosign says what was wrong.
func (t *tail) reason() string {
	last := ""
	for line := range strings.Lines(string(t.b)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "Error: ") {
			return untrusted.Text(strings.TrimPrefix(line, "Error: "))
		} else if line != "" {
			last = line
		}
	}
	return untrusted.Text(last)
}
