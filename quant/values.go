package quant

import (
	"fmt"
	"unsafe"
)

// Values are elements of a plain dtype, as they lie in a file or in memory: a tensor or a piece of one.
type Values struct {
	Data  []byte
	Dtype Dtype
}

// Float32s are decoded values. Nothing is copied: their bytes lie little-endian on every platform
// that qimport builds for.
func Float32s(v []float32) Values {
	data := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
	return Values{data, F32}
}

// count is the number of elements, which must be whole ones.
func (v Values) count() (int, error) {
	if v.Dtype.Size() == 0 || len(v.Data)%v.Dtype.Size() != 0 {
		return 0, fmt.Errorf("%d bytes are not whole elements of %s", len(v.Data), v.Dtype)
	}
	return len(v.Data) / v.Dtype.Size(), nil
}

// piece is elements [from, to).
func (v Values) piece(from, to int) Values {
	size := v.Dtype.Size()
	return Values{v.Data[from*size : to*size], v.Dtype}
}
