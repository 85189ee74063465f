package safetensors

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"unsafe"

	"github.com/edsrzf/mmap-go"
	"github.com/nlpodyssey/safetensors"

	"qimport/internal/untrusted"
)

// File is one safetensors file: its header, and its data once somebody asks for it. No file
// descriptor stays open. It is safe for use by several goroutines.
type File struct {
	Path   string
	Header Header
	stat   os.FileInfo // at Open

	mu    sync.Mutex
	m     mmap.MMap // nil until the first Bytes
	views map[string]safetensors.TensorView
}

// Open reads and checks the header. Errors name the file; those of its content are ErrBadHeader.
func Open(path string) (*File, error) {
	f, stat, err := untrusted.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h, err := ReadHeader(f, stat.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return &File{Path: path, Header: h, stat: stat}, nil
}

// ReadHeader reads and checks the header of a file of so many bytes. What is wrong with it is ErrBadHeader.
func ReadHeader(r io.ReaderAt, size int64) (Header, error) {
	first := make([]byte, min(8, size))
	if _, err := r.ReadAt(first, 0); err != nil {
		return Header{}, shrunk(err)
	}
	n, err := HeaderLength(first, size)
	if err != nil {
		return Header{}, err
	}
	b := make([]byte, 8+n)
	if _, err := r.ReadAt(b, 0); err != nil {
		return Header{}, shrunk(err)
	}
	return ParseHeader(b, size)
}

// shrunk says of an end that comes before the size that the file had that it was cut short.
func shrunk(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("it was cut while it was read: %w", ErrTruncated)
	}
	return err
}

// Name is the file's base name.
func (f *File) Name() string { return filepath.Base(f.Path) }

// Size is the file's size in bytes.
func (f *File) Size() int64 { return f.stat.Size() }

// Bytes lends the data of a tensor, mapped until Close. The file must still be the one whose header
// was read: one that was replaced or written to meanwhile is an error. It may still be cut short
// while the bytes are read, so that they are to be read under Guard.
func (f *File) Bytes(name string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.m == nil {
		if err := f.open(); err != nil {
			return nil, err
		}
	}
	v, ok := f.views[name]
	if !ok {
		return nil, fmt.Errorf("%s has no tensor %q: %w", f.Name(), name, os.ErrNotExist)
	}
	return v.Data(), nil
}

// open maps the file and hands it to the library.
func (f *File) open() error {
	file, stat, err := untrusted.Open(f.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := f.same(stat); err != nil {
		return err
	}
	m, err := mmap.MapRegion(file, int(stat.Size()), mmap.RDONLY, 0, 0) // however long it is by now
	if err != nil {
		return fmt.Errorf("map %s: %w", f.Path, err)
	}
	views, err := bridge(f.Header, m[f.Header.DataStart:])
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", f.Name(), err), m.Unmap())
	}
	f.m, f.views = m, views
	return nil
}

// Unchanged says whether the path still names the file that was opened, as it was.
func (f *File) Unchanged() error {
	stat, err := os.Stat(f.Path)
	if err != nil {
		return err
	}
	return f.same(stat)
}

func (f *File) same(now os.FileInfo) error {
	if !os.SameFile(f.stat, now) || now.Size() != f.stat.Size() || !now.ModTime().Equal(f.stat.ModTime()) {
		return fmt.Errorf("%s was changed while it was read: %w", f.Path, ErrBadHeader)
	}
	return nil
}

// Guard runs f, which reads bytes that files have lent. Where one of them was cut short since it was
// mapped, so that there is nothing to read, the error names it and is ErrTruncated. Native code would
// end the process there: f gives it copies.
func Guard(files []*File, f func() error) error {
	err := untrusted.Guard(f)
	var fault *untrusted.Fault
	if !errors.As(err, &fault) {
		return err
	}
	for _, file := range files {
		if file.maps(fault.Addr) {
			return fmt.Errorf("%s was cut while it was read: %w", file.Name(), ErrTruncated)
		}
	}
	return err
}

// maps says whether an address is of this file's map.
func (f *File) maps(at uintptr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.m) > 0 && at >= address(f.m) && at-address(f.m) < uintptr(len(f.m))
}

func address(b []byte) uintptr { return uintptr(unsafe.Pointer(&b[0])) }

// faultAround is the most that the kernel maps at once, aligned in the address space, when one page is
// read: what one page table holds. It is 64 KB with small folios in the page cache, 1 MB and more with
// large ones.
const faultAround = 2 << 20

// Release lets the kernel take back the pages of b, if b is of this file's map, and says whether it
// is. The pages around them go too, because the kernel may have mapped them at the same time: else
// ten thousand small tensors would leave the whole file mapped. The bytes stay valid.
func (f *File) Release(b []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(b) == 0 || len(f.m) == 0 {
		return false
	}
	start, from := address(b), address(f.m)
	end, to := start+uintptr(len(b)), from+uintptr(len(f.m))
	if start < from || end > to {
		return false
	}
	start = max(start&^(faultAround-1), from)
	end = min((end+faultAround-1)&^(faultAround-1), to)
	dontNeed(f.m[start-from : end-from])
	return true
}

// Need lets the kernel fetch the pages of b, if b is of this file's map, and says whether it is.
func (f *File) Need(b []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(b) == 0 || len(f.m) == 0 {
		return false
	}
	start, from := address(b), address(f.m)
	end := start + uintptr(len(b))
	if start < from || end > from+uintptr(len(f.m)) {
		return false
	}
	page := uintptr(os.Getpagesize())
	willNeed(f.m[max(start&^(page-1), from)-from : end-from])
	return true
}

// Close unmaps the data; what Bytes lent is gone.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.m == nil {
		return nil
	}
	f.views = nil
	return f.m.Unmap()
}
