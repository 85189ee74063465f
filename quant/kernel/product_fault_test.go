//go:build cgo && (amd64 || arm64) && unix

package kernel

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"testing"
)

// mapped maps a file of so many bytes.
func mapped(t *testing.T, size int) (*os.File, []byte) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "rows"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(int64(size)); err != nil {
		t.Fatal(err)
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(b) })
	return f, b
}

// TestProductOfCutFile: a file that is cut short while it multiplies does not end the process; the faults
// are counted, on every thread. Go's own reads of such a file still panic as they did.
func TestProductOfCutFile(t *testing.T) {
	const in, out = 1024, 2048
	f, b := mapped(t, 2*in*out)
	m := NewMatrix(in, [][]Rows{{{N: out, Layout: Plain, Elem: BF16, Data: b}}})
	defer m.Close()
	y, x := make([]float32, out), make([]float32, in)
	before, _ := Faults()
	m.Multiply(y, x)
	if now, _ := Faults(); now != before {
		t.Errorf("%d faults in a whole file", now-before)
	}
	if err := f.Truncate(in * out); err != nil {
		t.Fatal(err)
	}
	m.Multiply(y, x)
	if now, first := Faults(); now == before || first == 0 {
		t.Errorf("%d faults, the first at %#x, in a file cut in half", now-before, first)
	}
	if !panics(t) {
		t.Error("a read in Go behind the end of a file does not panic")
	}
}

// panics says whether Go's own read of a file that was cut short panics.
func panics(t *testing.T) (did bool) {
	t.Helper()
	f, b := mapped(t, 8192)
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { did = recover() != nil }()
	return b[5000] == 1
}
