package manifest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrBadDigest marks a string that is no SHA-256 digest.
var ErrBadDigest = errors.New("no SHA-256 digest")

// Digest is the SHA-256 of a blob or a manifest. It is comparable; the zero value means none.
type Digest struct{ sum [sha256.Size]byte }

// DigestOf hashes b.
func DigestOf(b []byte) Digest { return Digest{sha256.Sum256(b)} }

// HashReader hashes what r holds, about size bytes, and stops when ctx ends. read, which may be nil,
// is told the bytes of each piece.
func HashReader(ctx context.Context, r io.Reader, size int64, read func(bytes int64)) (Digest, error) {
	h := sha256.New()
	piece := make([]byte, min(size+1, 1<<20))
	for {
		if err := ctx.Err(); err != nil {
			return Digest{}, err
		}
		n, err := r.Read(piece)
		h.Write(piece[:n])
		if read != nil {
			read(int64(n))
		}
		if err == io.EOF {
			var d Digest
			h.Sum(d.sum[:0])
			return d, nil
		}
		if err != nil {
			return Digest{}, err
		}
	}
}

// ParseDigest reads "sha256:<64 hex>", or "sha256-<64 hex>" as files are named. Upper-case hex is
// taken too, as Ollama takes it. The error is ErrBadDigest.
func ParseDigest(s string) (Digest, error) {
	digits, ok := strings.CutPrefix(s, "sha256")
	if !ok || len(digits) != 1+2*sha256.Size || (digits[0] != ':' && digits[0] != '-') {
		return Digest{}, fmt.Errorf("%w: %.80q is not sha256: and 64 hex digits", ErrBadDigest, s)
	}
	var d Digest
	if _, err := hex.Decode(d.sum[:], []byte(digits[1:])); err != nil {
		return Digest{}, fmt.Errorf("%w: %q: %w", ErrBadDigest, s, err)
	}
	return d, nil
}

// IsZero reports whether d is no digest at all.
func (d Digest) IsZero() bool { return d == Digest{} }

// String is the form in JSON, "sha256:<64 lower-case hex>"; empty for the zero digest.
func (d Digest) String() string {
	if d.IsZero() {
		return ""
	}
	return "sha256:" + d.Hex()
}

// Bytes is the digest itself.
func (d Digest) Bytes() []byte { return d.sum[:] }

// Hex is the 64 lower-case digits alone, as other tools print them.
func (d Digest) Hex() string { return hex.EncodeToString(d.sum[:]) }

// FileName is the form on disk, "sha256-<64 lower-case hex>".
func (d Digest) FileName() string { return "sha256-" + d.Hex() }

// Short is the first 12 hex digits, enough to tell models apart in a list.
func (d Digest) Short() string { return hex.EncodeToString(d.sum[:6]) }

// MarshalText makes a digest a JSON string.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes, and ParseDigest's other forms.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Digest{}
		return nil
	}
	parsed, err := ParseDigest(string(text))
	*d = parsed
	return err
}
