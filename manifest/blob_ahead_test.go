package manifest

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"testing"
)

// TestWriteAhead writes a blob in the order elements, scales, elements, scales, and holds it to the
// bytes in their places.
func TestWriteAhead(t *testing.T) {
	want := make([]byte, 3*readBack+5)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range want {
		want[i] = byte(r.Uint32())
	}
	middle, end := readBack, len(want)-7 // elements, scales made ahead, seven bytes behind them
	stage := openStage(t, openStore(t, t.TempDir()), "fp")
	w, err := stage.NewBlob("k")
	if err != nil {
		t.Fatal(err)
	}
	step := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(p []byte) error { _, err := w.Write(p); return err }
	step(write(want[:100]))
	step(w.WriteAhead(want[middle:middle+1000], int64(middle)))
	step(write(want[100:middle]))
	step(w.WriteAhead(want[middle+1000:end], int64(middle+1000)))
	step(w.Advance(int64(end - middle)))
	step(write(want[end:]))
	l, err := w.Finish(MediaTypeTensor, "x")
	step(err)
	got, err := os.ReadFile(stage.Path(l.Digest))
	step(err)
	if !bytes.Equal(got, want) || l.Digest != DigestOf(want) || l.Size != int64(len(want)) {
		t.Errorf("the blob has %d bytes, its layer is %+v", len(got), l)
	}
}

func TestWriteAheadMisused(t *testing.T) {
	stage := openStage(t, openStore(t, t.TempDir()), "fp")
	w, err := stage.NewBlob("k")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteAhead([]byte{1}, 99); err == nil {
		t.Error("bytes that are hashed already can be overwritten")
	}
	if _, err := w.Finish(MediaTypeTensor, "x"); err == nil {
		t.Error("the blob can be finished after that")
	}
	if w, err = stage.NewBlob("k"); err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.Advance(1); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("advancing over nothing says %v", err)
	}
}
