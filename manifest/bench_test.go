package manifest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkSmallBlobs imports 10,000 blobs of 4 kB from nothing to published.
func BenchmarkSmallBlobs(b *testing.B) {
	content := make([]byte, 4<<10)
	for b.Loop() {
		s, err := Open(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		st, err := s.Stage("bench")
		if err != nil {
			b.Fatal(err)
		}
		var layers []Layer
		for i := range 10000 {
			copy(content, fmt.Sprint(i))
			l, err := st.Put(fmt.Sprint(i), MediaTypeTensor, fmt.Sprint(i), content)
			if err != nil {
				b.Fatal(err)
			}
			layers = append(layers, l)
		}
		n := Name{DefaultHost, DefaultNamespace, "bench", DefaultTag}
		if _, err := st.Publish(context.Background(), n, New(layers[0], layers[1:])); err != nil {
			b.Fatal(err)
		}
	}
}

// largeBlob is what the benchmarks of large blobs write, in pieces.
const largeBlob, piece = 256 << 20, 4 << 20

// BenchmarkLargeBlob writes one blob and flushes it; BenchmarkLargeBlobLimit is what its bytes cost
// to hash, write and flush without any of this package.
func BenchmarkLargeBlob(b *testing.B) {
	content := bytes.Repeat([]byte("weights "), piece/8)
	b.SetBytes(largeBlob)
	s, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		st, err := s.Stage("bench")
		if err != nil {
			b.Fatal(err)
		}
		w, err := st.NewBlob("large")
		if err != nil {
			b.Fatal(err)
		}
		for range largeBlob / piece {
			if _, err := w.Write(content); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := w.Finish(MediaTypeTensor, "large"); err != nil {
			b.Fatal(err)
		}
		if err := st.Flush(context.Background()); err != nil {
			b.Fatal(err)
		}
		if err := st.Discard(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLargeBlobLimit is the limit that BenchmarkLargeBlob cannot pass.
func BenchmarkLargeBlobLimit(b *testing.B) {
	content := bytes.Repeat([]byte("weights "), piece/8)
	b.SetBytes(largeBlob)
	path := filepath.Join(b.TempDir(), "blob")
	for b.Loop() {
		file, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		h := sha256.New()
		for range largeBlob / piece {
			h.Write(content)
			if _, err := file.Write(content); err != nil {
				b.Fatal(err)
			}
		}
		if err := file.Sync(); err != nil {
			b.Fatal(err)
		}
		file.Close()
		os.Remove(path)
	}
}
