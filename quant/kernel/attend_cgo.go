//go:build cgo && (amd64 || arm64) && !windows

package kernel

// #include "layer.h"
import "C"
import (
	"math"
	"runtime"
	"unsafe"
)

// Entry is the C function of Attend for a graph, as Matrix.Entry's, or nil. Its inputs are X, Keys, Values,
// QueryNorm, KeyNorm, Turns, Length (int32) and Sizes; its outputs Y, and Keys and Values with the token's own,
// in the memory of the inputs or apart. It takes no argument.
func (z Attend) Entry() unsafe.Pointer {
	ready()
	return C.qk_call_attend
}

// Sizes are the sizes as Entry's function reads them.
func (z Attend) Sizes() []int32 {
	n := []int32{int32(z.Heads), int32(z.KVHeads), int32(z.HeadDim), int32(z.Turned / 2), 0, int32(math.Float32bits(z.Eps)), int32(best.isa)}
	if z.Gated {
		n[4] = 1
	}
	return n
}

// native is Run by the C function, on one instruction set. keys and values are where it writes them.
func (z Attend) native(a AttendArrays, keys, values []float32, isa int) {
	sizes, length := z.Sizes(), []int32{int32(a.Length)}
	sizes[len(sizes)-1] = int32(isa)
	var pins runtime.Pinner
	defer pins.Unpin()
	in := pinned(&pins, a.X, a.Keys, a.Values, a.QueryNorm, a.KeyNorm, a.Turns)
	for _, n := range [][]int32{length, sizes} {
		pins.Pin(unsafe.SliceData(n))
		in = append(in, unsafe.Pointer(unsafe.SliceData(n)))
	}
	out := pinned(&pins, a.Y, keys, values)
	count := []C.int64_t{C.int64_t(len(a.X)), C.int64_t(len(a.Keys)), C.int64_t(len(a.Values))}
	C.qk_call_attend(nil, unsafe.SliceData(in), unsafe.SliceData(count), unsafe.Pointer(unsafe.SliceData(out)))
}
