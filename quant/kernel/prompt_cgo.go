//go:build cgo && (amd64 || arm64) && !windows

package kernel

// #include "layer.h"
import "C"
import "unsafe"

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

// native is Run by the C function, on one instruction set.
func (z DeltaPrompt) native(a DeltaArrays, isa int) {
	a.call(z.Sizes(), isa, func(in *unsafe.Pointer, count *C.int64_t, out unsafe.Pointer) {
		C.qk_call_delta_prompt(nil, in, count, out)
	})
}

// native is Run by the C function, on one instruction set. keys and values are where it writes them.
func (z AttendPrompt) native(a AttendArrays, keys, values []float32, isa int) {
	a.call(z.Sizes(), keys, values, isa, func(in *unsafe.Pointer, counts *C.int64_t, out unsafe.Pointer) {
		C.qk_call_attend_prompt(nil, in, counts, out)
	})
}
