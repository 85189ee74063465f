//go:build cgo && (amd64 || arm64) && !windows

package kernel

// #include "layer.h"
import "C"
import (
	"runtime"
	"unsafe"
)

// LikeliestEntry is the C function of Likeliest for a graph, or nil. Its inputs are the logits and
// LikeliestSizes; its output is int32.
func LikeliestEntry() unsafe.Pointer { ready(); return C.qk_call_likeliest }

// LikeliestSizes are what Likeliest's function reads.
func LikeliestSizes(width, size int) []int32 {
	return []int32{int32(width), int32(size), int32(best.isa)}
}

// nativeLikeliest is Likeliest by the C function, on one instruction set.
func nativeLikeliest(ids []int32, logits []float32, width, size, isa int) {
	sizes := []int32{int32(width), int32(size), int32(isa)}
	var pins runtime.Pinner
	defer pins.Unpin()
	in := append(pinned(&pins, logits), unsafe.Pointer(unsafe.SliceData(sizes)))
	pins.Pin(unsafe.SliceData(sizes))
	count := C.int64_t(len(logits))
	C.qk_call_likeliest(nil, unsafe.SliceData(in), &count, unsafe.Pointer(unsafe.SliceData(ids)))
}
