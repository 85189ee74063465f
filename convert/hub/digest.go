package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
)

// newHash computes what the hub lists for a file of that size: SHA-256 for large ones, for others
// git's name of a blob, SHA-1 over "blob SIZE\0" and the content.
func newHash(f file) hash.Hash {
	if len(f.OID) == 2*sha256.Size {
		return sha256.New()
	}
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", f.Size)
	return h
}

// copyBuffer is the piece that is read, hashed and written at a time.
const copyBuffer = 256 << 10

// hashFile feeds all of r to h, until ctx ends it.
func hashFile(ctx context.Context, h hash.Hash, r io.Reader) (int64, error) {
	var n int64
	buf := make([]byte, copyBuffer)
	for {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		k, err := r.Read(buf)
		h.Write(buf[:k])
		n += int64(k)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// Digest is the SHA-256 of a file in the cache, as hex, where the cache tells it: large files are
// blobs that are named by it, and snapshots link to them. The file is not read.
func Digest(file string) (digest string, known bool) {
	target, err := os.Readlink(file)
	if err != nil {
		return "", false
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(file), target)
	}
	if _, err := os.Stat(target); err != nil || filepath.Base(filepath.Dir(target)) != "blobs" {
		return "", false
	}
	name := filepath.Base(target)
	if b, err := hex.DecodeString(name); err != nil || len(b) != sha256.Size {
		return "", false
	}
	return name, true
}
