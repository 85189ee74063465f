package safetensors

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"

	"qimport/quant"
)

// maxHeader is the reference reader's limit on N, in bytes.
const maxHeader = 100_000_000

// MaxTensors is the most tensors of one file, and of one model. The largest known checkpoint, of 397
// billion parameters with every expert and its scales apart, has 400,000.
const MaxTensors = 1 << 20

// maxRank is the most dimensions of a tensor; the largest known has 5.
const maxRank = 16

// ErrBadHeader marks every rejection of a file.
var ErrBadHeader = errors.New("not a sound safetensors file")

// ErrTruncated marks a file that is shorter than its header promises. It is an ErrBadHeader too.
var ErrTruncated = fmt.Errorf("cut short: %w", ErrBadHeader)

// Tensor is one entry of a header.
type Tensor struct {
	Name       string
	Dtype      quant.Dtype
	Shape      []int
	Begin, End int64 // bytes of the data, from the end of the header
}

// Header is what a file says of itself.
type Header struct {
	Metadata  map[string]string // nil or empty for none
	Tensors   []Tensor          // in the order of their data
	DataStart int64             // where the data begins in the file: 8+N
}

// HeaderLength reads N from a file's first 8 bytes, which may be fewer in a shorter file, and checks
// it against the file's size, so that it is safe to allocate. Errors are ErrBadHeader.
func HeaderLength(first []byte, fileSize int64) (int64, error) {
	if fileSize < 8 || len(first) < 8 {
		return 0, fmt.Errorf("the file has %d bytes, not even the 8 of a header's length: %w", fileSize, ErrTruncated)
	}
	n := binary.LittleEndian.Uint64(first)
	if string(first[:8]) == "version " {
		return 0, fmt.Errorf("it is the pointer that Git LFS leaves in place of a file; git lfs pull fetches the file itself: %w", ErrBadHeader)
	}
	if n > maxHeader {
		return 0, fmt.Errorf("byte 0: the header claims %d bytes, more than %d: %w", n, maxHeader, ErrBadHeader)
	}
	if int64(n) > fileSize-8 {
		return 0, fmt.Errorf("byte 0: the header claims %d bytes, the file has %d after it: %w", n, fileSize-8, ErrTruncated)
	}
	return int64(n), nil
}

// ParseHeader reads the header at the start of b, which may hold more of the file than that, and
// checks that its tensors cover the file of that size without hole, overlap or rest. Every error is
// ErrBadHeader and names the tensor and the byte offset in the file.
func ParseHeader(b []byte, fileSize int64) (Header, error) {
	n, err := HeaderLength(b, fileSize)
	if err != nil {
		return Header{}, err
	}
	if int64(len(b)) < 8+n {
		return Header{}, fmt.Errorf("the header ends at byte %d, only %d are here: %w", 8+n, len(b), ErrTruncated)
	}
	h := Header{DataStart: 8 + n}
	if err := scanHeader(b[8:8+n], &h); err != nil {
		return Header{}, err
	}
	slices.SortFunc(h.Tensors, func(x, y Tensor) int {
		return cmp.Or(cmp.Compare(x.Begin, y.Begin), cmp.Compare(x.End, y.End), cmp.Compare(x.Name, y.Name))
	})
	if err := h.checkCover(fileSize); err != nil {
		return Header{}, err
	}
	return h, nil
}

// checkCover holds the sorted tensors to the rule begin[0]=0, begin[i+1]=end[i], end[last]=end of file.
func (h Header) checkCover(fileSize int64) error {
	var end int64
	for _, t := range h.Tensors {
		if t.Begin != end {
			what := "a hole"
			if t.Begin < end {
				what = "an overlap"
			}
			return fmt.Errorf("tensor %.200q: begins at byte %d, what is before it ends at %d, %s: %w",
				t.Name, h.DataStart+t.Begin, h.DataStart+end, what, ErrBadHeader)
		}
		end = t.End
		if end > fileSize-h.DataStart {
			return fmt.Errorf("tensor %.200q: ends at byte %d, the file at %d: %w", t.Name, h.DataStart+end, fileSize, ErrTruncated)
		}
	}
	if end != fileSize-h.DataStart {
		return fmt.Errorf("the last tensor ends at byte %d, the file at %d: %w", h.DataStart+end, fileSize, ErrBadHeader)
	}
	return nil
}

// dataBytes is product(shape) * size in checked u64, as the reference reader multiplies it.
func dataBytes(d quant.Dtype, shape []int) (uint64, bool) {
	n := uint64(1)
	for _, dim := range append(slices.Clip(shape), d.Size()) {
		hi, lo := bits.Mul64(n, uint64(dim))
		if hi != 0 {
			return 0, false
		}
		n = lo
	}
	return n, true
}

// DataBytes is the size of all tensors together.
func (h Header) DataBytes() int64 {
	if len(h.Tensors) == 0 {
		return 0
	}
	return h.Tensors[len(h.Tensors)-1].End
}

// Equal says whether both describe the same data: metadata, names, dtypes, shapes and offsets.
func (h Header) Equal(o Header) bool {
	same := func(a, b Tensor) bool {
		return a.Name == b.Name && a.Dtype == b.Dtype && a.Begin == b.Begin && a.End == b.End && slices.Equal(a.Shape, b.Shape)
	}
	return maps.Equal(h.Metadata, o.Metadata) && slices.EqualFunc(h.Tensors, o.Tensors, same)
}
