package layer

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"unsafe"

	"golang.org/x/sync/errgroup"

	"qimport/internal/untrusted"
	"qimport/quant"
)

// fillRows is how many rows one worker fills at a time.
const fillRows = 64

// fill writes all rows of the matrix, of rowBytes bytes each, into dst: runs of rows at a time, on
// all cores. write is given a piece of a tensor and which of its rows to write. Its bytes may
// be of a file that is cut short meanwhile, so that write must not give them to native code.
func (m Matrix) fill(dst []byte, rowBytes int, write func(dst []byte, t quant.Tensor, from, n int) error) error {
	var work errgroup.Group
	work.SetLimit(runtime.GOMAXPROCS(0))
	if err := m.check(); err != nil {
		return err
	}
	for _, r := range slices.Concat(m.Experts...) {
		for _, span := range r.spans() {
			for at := 0; at < span.N; at += fillRows {
				n := min(fillRows, span.N-at)
				to := dst[:n*rowBytes]
				work.Go(func() error {
					return untrusted.Guard(func() error { return write(to, span.Tensor, span.From+at, n) })
				})
				dst = dst[n*rowBytes:]
			}
		}
	}
	if err := work.Wait(); err != nil {
		return fmt.Errorf("tensor %s: %w", m.Name, err)
	}
	return nil
}

// check refuses a matrix one of whose tensors has not the bytes that it needs.
func (m Matrix) check() error {
	seen := map[*Stored]bool{}
	for _, r := range slices.Concat(m.Experts...) {
		if seen[r.Stored] {
			continue
		}
		seen[r.Stored] = true
		if err := r.Stored.check(); err != nil {
			return err
		}
	}
	return nil
}

// fillPlain writes the matrix as plain elements of dtype.
func (m Matrix) fillPlain(dst []byte, dtype quant.Dtype) error {
	spare := sync.Pool{New: func() any { return new([]byte) }}
	return m.fill(dst, m.In*dtype.Size(), func(dst []byte, t quant.Tensor, from, n int) error {
		buf := spare.Get().(*[]byte)
		defer spare.Put(buf)
		return plainRows(dst, t, dtype, from, n, buf)
	})
}

// fillPart writes one packed part of all rows: which picks it, rowBytes is its size a row.
func (m Matrix) fillPart(dst []byte, rowBytes int, which func(quant.Tensor) []byte) error {
	return m.fill(dst, rowBytes, func(dst []byte, t quant.Tensor, from, n int) error {
		return copyRows(dst, which(t), rowBytes, from, n)
	})
}

// plainRows writes n rows as plain elements: copied if they are that already, else decoded from a
// copy, for which spare is used and grown.
func plainRows(dst []byte, t quant.Tensor, dtype quant.Dtype, from, n int, spare *[]byte) error {
	if t.Format == quant.PlainFormat(dtype) && !t.Turned() {
		return copyRows(dst, t.Data, quant.Columns(t.Shape)*dtype.Size(), from, n)
	}
	*spare = slices.Grow((*spare)[:0], t.RowsSize(n))
	own := t.CopyRows((*spare)[:t.RowsSize(n)], from, from+n)
	if dtype == quant.F32 {
		return own.Decode(floats(dst), 0)
	}
	buf := make([]float32, len(dst)/dtype.Size())
	if err := own.Decode(buf, 0); err != nil {
		return err
	}
	return quant.FromFloat32(dst, dtype, buf)
}

// copyRows copies n rows of one part of a tensor, of which each row has that many bytes.
func copyRows(dst, part []byte, rowBytes, from, n int) error {
	end := (from + n) * rowBytes
	if end > len(part) {
		return fmt.Errorf("row %d ends at byte %d of %d", from+n-1, end, len(part))
	}
	copy(dst, part[from*rowBytes:end])
	return nil
}

// floats views bytes as float32; memory given to Param.Fill is aligned for it.
func floats(b []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

// floatBytes views float32 as the bytes they are kept in.
func floatBytes(f []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(f))), len(f)*4)
}
