//go:build cgo && (amd64 || arm64) && !windows

package kernel

// #include "layer.h"
import "C"
import (
	"runtime"
	"unsafe"
)

// Entry is the C function of a prompt for a graph, with the inputs and outputs of DeltaStep.Entry's, or nil.
func (z DeltaPrompt) Entry() unsafe.Pointer {
	ready()
	return C.qk_call_delta_prompt
}

// Sizes are the sizes as Entry's function reads them.
func (z DeltaPrompt) Sizes() []int32 { return append(z.DeltaStep.Sizes(), int32(z.Tokens)) }

// Entry is the C function of a prompt for a graph, with the inputs and outputs of Attend.Entry's, or nil.
func (z AttendPrompt) Entry() unsafe.Pointer {
	ready()
	return C.qk_call_attend_prompt
}

// Sizes are the sizes as Entry's function reads them.
func (z AttendPrompt) Sizes() []int32 { return append(z.Attend.Sizes(), int32(z.Tokens)) }

// isaAt is where Sizes have the instruction set.
const isaAt = 6

// native is Run by the C function, on one instruction set.
func (z DeltaPrompt) native(a DeltaArrays, isa int) {
	sizes := z.Sizes()
	sizes[isaAt] = int32(isa)
	var pins runtime.Pinner
	defer pins.Unpin()
	in := append(pinned(&pins, a.X, a.Past, a.State, a.Weight, a.Rate, a.Bias, a.Norm), unsafe.Pointer(unsafe.SliceData(sizes)))
	out := pinned(&pins, a.Y, a.Next, a.NextState, a.Decay)
	pins.Pin(unsafe.SliceData(sizes))
	count := C.int64_t(len(a.X))
	C.qk_call_delta_prompt(nil, unsafe.SliceData(in), &count, unsafe.Pointer(unsafe.SliceData(out)))
}

// native is Run by the C function, on one instruction set. keys and values are where it writes them.
func (z AttendPrompt) native(a AttendArrays, keys, values []float32, isa int) {
	sizes, length := z.Sizes(), []int32{int32(a.Length)}
	sizes[isaAt] = int32(isa)
	var pins runtime.Pinner
	defer pins.Unpin()
	in := pinned(&pins, a.X, a.Keys, a.Values, a.QueryNorm, a.KeyNorm, a.Turns)
	for _, n := range [][]int32{length, sizes} {
		pins.Pin(unsafe.SliceData(n))
		in = append(in, unsafe.Pointer(unsafe.SliceData(n)))
	}
	out := pinned(&pins, a.Y, keys, values)
	count := []C.int64_t{C.int64_t(len(a.X)), C.int64_t(len(a.Keys)), C.int64_t(len(a.Values))}
	C.qk_call_attend_prompt(nil, unsafe.SliceData(in), unsafe.SliceData(count), unsafe.Pointer(unsafe.SliceData(out)))
}
