package safetensors

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nlpodyssey/safetensors"

	"qimport/internal/untrusted"
	"qimport/quant"
)

// write makes a file of the tensors, whose data is the bytes 0, 1, 2 …
func write(t *testing.T, tensors ...Tensor) (path string, h Header) {
	t.Helper()
	h, err := New(nil, tensors)
	if err != nil {
		t.Fatal(err)
	}
	b := h.Append(nil)
	for i := range h.DataBytes() {
		b = append(b, byte(i))
	}
	path = filepath.Join(t.TempDir(), "model.safetensors")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path, h
}

func TestFileLendsEveryDtype(t *testing.T) {
	var tensors []Tensor
	for d := quant.Bool; d <= quant.C64; d++ {
		tensors = append(tensors, Tensor{Name: d.String(), Dtype: d, Shape: []int{3}}, Tensor{Name: d.String() + " scalar", Dtype: d})
	}
	path, h := write(t, append(tensors, Tensor{Name: "nothing", Dtype: quant.F32, Shape: []int{0, 5}})...)
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, e := range h.Tensors {
		got, err := f.Bytes(e.Name)
		if err != nil {
			t.Fatal(err)
		}
		for i, b := range got {
			if b != byte(e.Begin+int64(i)) {
				t.Fatalf("%s: byte %d is %d, want %d", e.Name, i, b, byte(e.Begin+int64(i)))
			}
		}
		if int64(len(got)) != e.End-e.Begin {
			t.Fatalf("%s: %d bytes, want %d", e.Name, len(got), e.End-e.Begin)
		}
	}
	if _, err := f.Bytes("no such"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a tensor that is not there: %v", err)
	}
}

// A plain file must look to us as it does to the library.
func TestBridgeAgreesWithLibrary(t *testing.T) {
	path, h := write(t, Tensor{Name: "a", Dtype: quant.BF16, Shape: []int{2, 3}}, Tensor{Name: "b\"é\n", Dtype: quant.U32, Shape: []int{4}})
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := safetensors.Deserialize(b)
	if err != nil {
		t.Fatal(err)
	}
	views, err := bridge(h, b[h.DataStart:])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range whole.Tensors() {
		got, ok := views[want.Name]
		if !ok || got.DType() != want.TensorView.DType() || !bytes.Equal(got.Data(), want.TensorView.Data()) {
			t.Errorf("%q: the bridge lends %v, the library %v", want.Name, got, want.TensorView)
		}
	}
}

func TestReleaseKeepsBytes(t *testing.T) {
	path, _ := write(t, Tensor{Name: "a", Dtype: quant.U8, Shape: []int{100}}, Tensor{Name: "b", Dtype: quant.U8, Shape: []int{100_000}})
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := f.Bytes("b")
	if err != nil {
		t.Fatal(err)
	}
	before := bytes.Clone(b)
	if !f.Release(b) || !bytes.Equal(b, before) {
		t.Error("released bytes changed or were not recognised")
	}
	if heap := bytes.Repeat([]byte{1}, 100_000); f.Release(heap) || heap[50_000] != 1 {
		t.Error("released memory of someone else")
	}
	if f.Release(nil) {
		t.Error("released nothing")
	}
}

// TestReleaseLeavesNothingMapped reads a little of each megabyte of a file, as a model of many small
// tensors is read. The kernel maps the neighbours as well, how many is its own choice.
func TestReleaseLeavesNothingMapped(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	var tensors []Tensor
	for i := range 8 {
		tensors = append(tensors, Tensor{Name: fmt.Sprint("small", i), Dtype: quant.U8, Shape: []int{100}},
			Tensor{Name: fmt.Sprint("unread", i), Dtype: quant.U8, Shape: []int{1 << 20}})
	}
	path, _ := write(t, tensors...)
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := 0
	for i := range 8 {
		b, err := f.Bytes(fmt.Sprint("small", i))
		if err != nil {
			t.Fatal(err)
		}
		sum += int(b[50])
		if i == 0 && resident(t, path) == "0 kB" {
			t.Fatal("nothing is mapped after reading a byte: the test looks at the wrong place")
		}
		f.Release(b)
	}
	if got := resident(t, path); got != "0 kB" {
		t.Errorf("%s of the file stay mapped after all was released (sum %d)", got, sum)
	}
}

// resident is how much of the map of a file counts as memory of this process.
func resident(t *testing.T, path string) string {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	_, of, found := strings.Cut(string(maps), path)
	_, rss, _ := strings.Cut(of, "Rss:")
	rss, _, _ = strings.Cut(rss, "\n")
	if !found {
		t.Fatalf("%s is not mapped", path)
	}
	return strings.TrimSpace(rss)
}

func TestReplacedFileIsNoticed(t *testing.T) {
	path, _ := write(t, Tensor{Name: "a", Dtype: quant.U8, Shape: []int{100}})
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Unchanged(); err != nil {
		t.Fatal(err)
	}
	other, _ := write(t, Tensor{Name: "a", Dtype: quant.U8, Shape: []int{100}})
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	if err := f.Unchanged(); !errors.Is(err, ErrBadHeader) {
		t.Errorf("a swapped shard: %v", err)
	}
	if _, err := f.Bytes("a"); !errors.Is(err, ErrBadHeader) {
		t.Errorf("bytes of a swapped shard: %v", err)
	}
}

// TestCutWhileMapped: bytes that are gone are an error that names the file, from Go code and from the
// runtime's copies; a map that begins after the file was cut has no bytes to lend past its end either.
func TestCutWhileMapped(t *testing.T) {
	for _, to := range []int64{0, 4096, 5 << 10} {
		path, h := write(t, Tensor{Name: "a", Dtype: quant.U8, Shape: []int{1 << 20}})
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b, err := f.Bytes("a")
		if err != nil {
			t.Fatal(err)
		}
		whole := func() error { copy(make([]byte, len(b)), b); return nil }
		if err := Guard([]*File{f}, whole); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, to); err != nil {
			t.Fatal(err)
		}
		one := func() error {
			if b[len(b)-1] == 1 {
				return errors.New("read")
			}
			return nil
		}
		for _, read := range []func() error{whole, one} {
			err := Guard([]*File{f}, read)
			if !errors.Is(err, ErrTruncated) || !strings.Contains(err.Error(), f.Name()+" was cut while it was read") {
				t.Errorf("cut to %d of %d bytes: %v", to, h.FileSize(), err)
			}
		}
		if err := f.Unchanged(); err == nil {
			t.Errorf("cut to %d bytes: unchanged", to)
		}
	}
}

// TestOpenIrregular: what is no file is refused by its kind, and not waited for.
func TestOpenIrregular(t *testing.T) {
	if _, err := Open(t.TempDir()); !errors.Is(err, untrusted.ErrNotRegular) {
		t.Errorf("a directory: %v", err)
	}
}

func TestOpenNamesTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model-00001-of-00002.safetensors")
	if err := os.WriteFile(path, []byte{1, 2, 3}, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); !errors.Is(err, ErrBadHeader) || !strings.Contains(err.Error(), filepath.Base(path)) {
		t.Error(err)
	}
}
