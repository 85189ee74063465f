//go:build cgo && (amd64 || arm64) && !windows

package kernel

// #include "layer.h"
import "C"
import (
	"math"
	"runtime"
	"unsafe"
)

// Entry is the C function of a step for a graph, as Matrix.Entry's, or nil. Its inputs are X, Past, State,
// Weight, Rate, Bias, Norm and Sizes; its outputs Y, Next, NextState and Decay. It takes no argument.
func (z DeltaStep) Entry() unsafe.Pointer {
	ready()
	return C.qk_call_delta
}

// Sizes are the step's sizes as Entry's function reads them.
func (z DeltaStep) Sizes() []int32 {
	return []int32{int32(z.KeyHeads), int32(z.ValueHeads), int32(z.KeyDim), int32(z.ValueDim), int32(z.Taps),
		int32(math.Float32bits(z.Eps)), int32(best.isa)}
}

// isaAt is where Sizes have the instruction set.
const isaAt = 6

// native is Run by the C function, on one instruction set.
func (z DeltaStep) native(a DeltaArrays, isa int) {
	a.call(z.Sizes(), isa, func(in *unsafe.Pointer, count *C.int64_t, out unsafe.Pointer) { C.qk_call_delta(nil, in, count, out) })
}

// call gives the arrays to a C function of these sizes, on one instruction set.
func (a DeltaArrays) call(sizes []int32, isa int, f func(in *unsafe.Pointer, count *C.int64_t, out unsafe.Pointer)) {
	sizes[isaAt] = int32(isa)
	var pins runtime.Pinner
	defer pins.Unpin()
	in := append(pinned(&pins, a.X, a.Past, a.State, a.Weight, a.Rate, a.Bias, a.Norm), unsafe.Pointer(unsafe.SliceData(sizes)))
	out := pinned(&pins, a.Y, a.Next, a.NextState, a.Decay)
	pins.Pin(unsafe.SliceData(sizes))
	count := C.int64_t(len(a.X))
	f(unsafe.SliceData(in), &count, unsafe.Pointer(unsafe.SliceData(out)))
}
