//go:build cgo && (amd64 || arm64) && unix

package kernel

import (
	"math/rand/v2"
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

// atEnd copies bytes to where memory ends: what is behind them cannot be read.
func atEnd(t *testing.T, b []byte) []byte {
	t.Helper()
	page := os.Getpagesize()
	size := (len(b) + page - 1) / page * page
	all, err := syscall.Mmap(-1, 0, size+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(all) })
	if err := syscall.Mprotect(all[size:], syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	end := all[size-len(b) : size : size]
	copy(end, b)
	return end
}

// TestProductAtEnd: nothing behind rows, their scales and biases is read.
func TestProductAtEnd(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	for _, f := range forms() {
		for _, units := range []int{1, 3, 6} {
			in := units * f.unit
			for out := 1; out <= 5; out += 2 {
				rows := f.make(rng, out, in)
				rows.Data, rows.Scales, rows.Biases = atEnd(t, rows.Data), atEnd(t, rows.Scales), atEnd(t, rows.Biases)
				for _, n := range []int{1, 2, 4, 9} {
					x := normal(rng, n*in)
					for _, s := range Versions()[1:] {
						m := newMatrix(s, in, [][]Rows{{rows}})
						before, _ := Faults()
						y := make([]float32, n*out)
						m.Multiply(y, x)
						m.mustBeWithin(t, s.Name+" "+f.name, 0, n, y, x)
						if now, at := Faults(); now != before {
							t.Fatalf("%s %s: %d reads behind rows, the last at %#x", s.Name, f.name, now-before, at)
						}
						m.Close()
					}
				}
			}
		}
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
