package attest

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// written puts a public key, what was signed with the private one, and the manifest into a folder.
func written(t *testing.T, k crypto.Signer) (public, lines, model string) {
	t.Helper()
	private, _ := pair(t, k)
	m, dir := judged(5), t.TempDir()
	for name, b := range map[string][]byte{"key.pub": publicPEM(k), "model.intoto.jsonl": signedLines(t, private, m), "manifest": m.Manifest.Encode()} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "key.pub"), filepath.Join(dir, "model.intoto.jsonl"), filepath.Join(dir, "manifest")
}

// TestPythonTakesIt: in-toto's Python libraries take what is signed here, and nothing that was changed.
func TestPythonTakesIt(t *testing.T) {
	python := os.Getenv("QIMPORT_PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.Command(python, "-c", "import in_toto_attestation, securesystemslib, cryptography").Run(); err != nil {
		t.Skip("no Python with in-toto-attestation and securesystemslib: oracle/README.md has the versions; QIMPORT_PYTHON names one")
	}
	check := func(public, lines string) (string, error) {
		out, err := exec.CommandContext(t.Context(), python, "../../oracle/attestation.py", "check", public, lines).CombinedOutput()
		return string(out), err
	}
	for name, k := range map[string]crypto.Signer{"ed25519": ed(), "P-256": ec(t, elliptic.P256()), "P-384": ec(t, elliptic.P384())} {
		public, lines, _ := written(t, k)
		out, err := check(public, lines)
		if err != nil || !strings.Contains(out, PredicateProvenance+": signed, 7 subjects") || !strings.Contains(out, PredicateTestResult+": signed, 7 subjects") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		other, _, _ := written(t, ec(t, elliptic.P256()))
		if out, err := check(other, lines); err == nil {
			t.Errorf("%s: another key is taken: %s", name, out)
		}
	}
}

// TestCosignTakesIt: so does cosign, which holds a statement's subject to the file that it is about. What
// cosign signs with a key of its own making is taken here.
func TestCosignTakesIt(t *testing.T) {
	cosign, err := exec.LookPath("cosign")
	if err != nil {
		t.Skip("no cosign on the PATH")
	}
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), cosign, args...)
		cmd.Env = append(os.Environ(), "COSIGN_PASSWORD=secret")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, k := range map[string]crypto.Signer{"ed25519": ed(), "P-256": ec(t, elliptic.P256())} {
		public, lines, model := written(t, k)
		b, err := os.ReadFile(lines)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range bytes.Split(bytes.TrimSpace(b), []byte("\n")) {
			check := []string{"verify-blob-attestation", "--key", public, "--signature", file("envelope", line), "--type", []string{PredicateProvenance, PredicateTestResult}[i],
				"--insecure-ignore-tlog=true", "--new-bundle-format=false"}
			if out, err := run(append(check, model)...); err != nil {
				t.Errorf("%s: %v\n%s", name, err, out)
			}
			if out, err := run(append(check, public)...); err == nil {
				t.Errorf("%s: taken for one on another file: %s", name, out)
			}
		}
	}
	keyless, err := FindCosign(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := run("generate-key-pair", "--output-key-prefix", filepath.Join(dir, "cosign")); err != nil {
		t.Fatal(err, out)
	}
	payloads, err := Statements(judged(2))
	if err != nil {
		t.Fatal(err)
	}
	signed := filepath.Join(dir, "signed")
	if out, err := run("attest-blob", "--key", filepath.Join(dir, "cosign.key"), "--statement", file("statement", payloads[1]), "--output-signature", signed,
		"--tlog-upload=false", "--new-bundle-format=false", "--use-signing-config=false", "--yes"); err != nil {
		t.Fatal(err, out)
	}
	private, err := ReadPrivate(filepath.Join(dir, "cosign.key"), says("secret"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := ReadPublic(filepath.Join(dir, "cosign.pub"))
	if err != nil || public.ID != private.ID {
		t.Fatal(public, err)
	}
	b, err := os.ReadFile(signed)
	if err != nil {
		t.Fatal(err)
	}
	all, err := ParseEnvelopes(b)
	if err != nil || len(all) != 1 || !public.Signed(t.Context(), all[0]) {
		t.Fatalf("%d envelopes of cosign's, %v: %s", len(all), err, b)
	}
	if s, err := all[0].Statement(); err != nil || !s.Names(judged(2).Digest) {
		t.Errorf("%+v, %v", s, err)
	}
	// In a bundle, as keyless signing makes them: what is around it is kept as cosign reads it, and a signature
	// by a key is no one's certificate.
	around := filepath.Join(dir, "bundle")
	if out, err := run("attest-blob", "--key", filepath.Join(dir, "cosign.key"), "--statement", file("statement", payloads[1]), "--bundle", around,
		"--tlog-upload=false", "--new-bundle-format", "--use-signing-config=false", "--yes"); err != nil {
		t.Fatal(err, out)
	}
	if b, err = os.ReadFile(around); err != nil {
		t.Fatal(err)
	}
	all, err = ParseEnvelopes(b)
	if err != nil || len(all) != 1 || !all[0].IsBundle() || !bytes.Equal(all[0].payload, payloads[1]) || !public.Signed(t.Context(), all[0]) {
		t.Fatalf("%+v, %v", all, err)
	}
	err = keyless.Check(t.Context(), all[0], PredicateTestResult, judged(2).Digest, Identity{Name: "me@example.org", Issuer: "https://id.example.org"})
	if err == nil || errors.Is(err, ErrCosign) {
		t.Errorf("a bundle without a certificate: %v", err)
	}
	t.Setenv("SIGSTORE_ID_TOKEN", "none") // no login is begun
	if _, err := keyless.Sign(t.Context(), payloads[1]); !errors.Is(err, ErrCosign) || !strings.Contains(err.Error(), "it did not sign: ") {
		t.Errorf("with no identity: %v", err)
	}
}
