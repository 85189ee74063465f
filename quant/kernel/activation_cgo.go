//go:build cgo && (amd64 || arm64) && !windows

package kernel

// #cgo linux LDFLAGS: -lm
// #include "layer.h"
import "C"
import (
	"math"
	"runtime"
	"unsafe"
)

// NormEntry is the C function of RMSNorm for a graph, as Matrix.Entry's, or nil. Its inputs are x, weight and
// ActivationSizes. It takes no argument.
func NormEntry() unsafe.Pointer {
	ready()
	return C.qk_call_norm
}

// SwiGLUEntry is the C function of SwiGLU for a graph, or nil. Its inputs are x and ActivationSizes.
func SwiGLUEntry() unsafe.Pointer {
	ready()
	return C.qk_call_swiglu
}

// ActivationSizes are the width of a row of the output and the norm's eps, as the functions read them.
func ActivationSizes(width int, eps float32) []int32 {
	return []int32{int32(width), int32(math.Float32bits(eps)), int32(best.isa)}
}

// callActivation calls one of the functions on arrays of Go.
func callActivation(swiglu bool, y []float32, settings []int32, inputs ...[]float32) {
	var pins runtime.Pinner
	defer pins.Unpin()
	in := append(pinned(&pins, inputs...), unsafe.Pointer(unsafe.SliceData(settings)))
	pins.Pin(unsafe.SliceData(settings))
	count := C.int64_t(len(inputs[0]))
	if swiglu {
		C.qk_call_swiglu(nil, unsafe.SliceData(in), &count, unsafe.Pointer(unsafe.SliceData(y)))
	} else {
		C.qk_call_norm(nil, unsafe.SliceData(in), &count, unsafe.Pointer(unsafe.SliceData(y)))
	}
}

// pinned are the addresses of arrays of Go, which stay where they are until pins are undone.
func pinned(pins *runtime.Pinner, arrays ...[]float32) []unsafe.Pointer {
	var all []unsafe.Pointer
	for _, f := range arrays {
		p := unsafe.Pointer(unsafe.SliceData(f))
		pins.Pin(p)
		all = append(all, p)
	}
	return all
}
