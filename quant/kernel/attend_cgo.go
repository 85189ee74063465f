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
	a.call(z.Sizes(), keys, values, isa, func(in *unsafe.Pointer, counts *C.int64_t, out unsafe.Pointer) {
		C.qk_call_attend(nil, in, counts, out)
	})
}

// call gives the arrays to a C function of these sizes, on one instruction set.
func (a AttendArrays) call(sizes []int32, keys, values []float32, isa int, f func(in *unsafe.Pointer, counts *C.int64_t, out unsafe.Pointer)) {
	sizes[isaAt] = int32(isa)
	var pins runtime.Pinner
	defer pins.Unpin()
	in := pinned(&pins, a.X, a.Keys, a.Values, a.QueryNorm, a.KeyNorm, a.Turns)
	for _, n := range [][]int32{{int32(a.Length)}, sizes} {
		pins.Pin(unsafe.SliceData(n))
		in = append(in, unsafe.Pointer(unsafe.SliceData(n)))
	}
	out := pinned(&pins, a.Y, keys, values)
	counts := []C.int64_t{C.int64_t(len(a.X)), C.int64_t(len(a.Keys)), C.int64_t(len(a.Values))}
	f(unsafe.SliceData(in), unsafe.SliceData(counts), unsafe.Pointer(unsafe.SliceData(out)))
}
