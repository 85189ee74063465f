//go:build cgo && (amd64 || arm64) && !windows

package kernel

// #include <stdlib.h>
// #include "chain.h"
// #include "layer.h"
import "C"
import (
	"runtime"
	"unsafe"
)

// What Go and C both count by is the same: with another difference these do not compile.
var (
	_ = [1]struct{}{}[mostInputs-C.QK_MOST_INPUTS]
	_ = [1]struct{}{}[mostOutputs-C.QK_MOST_OUTPUTS]
	_ = [1]struct{}{}[mostValues-C.QK_MOST_VALUES]
	_ = [1]struct{}{}[MostExperts-C.QK_MOST_EXPERTS]
	_ = [1]struct{}{}[fromInput-C.QK_INPUT]
	_ = [1]struct{}{}[fromLink-C.QK_MADE]
	_ = [1]struct{}{}[fromConstant-C.QK_CONSTANT]
)

// Entry is the C function of the chain for a graph, and its argument: see Matrix.Entry.
func (c *Chain) Entry() (function, argument unsafe.Pointer) { return C.qk_call_chain, c.native }

// AddEntry is the C function of x + y, both of one size, or nil.
func AddEntry() unsafe.Pointer { ready(); return C.qk_call_add }

// GateEntry is the C function of Gate, or nil. Its inputs are x, gate and ActivationSizes.
func GateEntry() unsafe.Pointer { ready(); return C.qk_call_gate }

// RouteEntry is the C function of Route, or nil. Its inputs are the logits and RouteSizes; its outputs ids,
// uint32, and weights.
func RouteEntry() unsafe.Pointer { ready(); return C.qk_call_route }

// CombineEntry is the C function of Combine without a shared expert, or nil. Its inputs are y, weights and
// RouteSizes from the second on.
func CombineEntry() unsafe.Pointer { ready(); return C.qk_call_combine }

// CombineAllEntry is the same with a shared expert, whose gate and outputs are two inputs more.
func CombineAllEntry() unsafe.Pointer { ready(); return C.qk_call_combine_all }

// RouteSizes are what Route's function reads.
func RouteSizes(experts, topK int, normalise bool) []int32 {
	n := []int32{int32(experts), int32(topK), 0}
	if normalise {
		n[2] = 1
	}
	return n
}

// openNative describes the chain in C's memory.
func (c *Chain) openNative() {
	ready()
	p := (*C.struct_qk_chain)(C.calloc(1, C.sizeof_struct_qk_chain))
	p.width, p.links, p.values = C.int64_t(c.width), C.int32_t(len(c.links)), C.int32_t(len(c.widths))
	p.constants, p.outputs = C.int32_t(len(c.constants)), C.int32_t(len(c.outputs))
	p.link = (*C.struct_qk_link)(C.calloc(C.size_t(len(c.links)+1), C.sizeof_struct_qk_link))
	p.widths = (*C.int64_t)(C.calloc(C.size_t(len(c.widths)+1), C.sizeof_int64_t))
	p.places = (*C.int32_t)(C.calloc(C.size_t(len(c.widths)+1), C.sizeof_int32_t))
	p.constant = (**C.int32_t)(C.calloc(C.size_t(len(c.constants)+1), C.size_t(unsafe.Sizeof(p.constant))))
	p.lengths = (*C.int64_t)(C.calloc(C.size_t(len(c.constants)+1), C.sizeof_int64_t))
	for i, l := range c.links {
		unsafe.Slice(p.link, len(c.links))[i] = l.native()
	}
	widths, places := unsafe.Slice(p.widths, len(c.widths)), unsafe.Slice(p.places, len(c.widths))
	for i, n := range c.widths {
		widths[i], places[i] = C.int64_t(n), -1
	}
	for i, v := range c.outputs {
		places[v.index] = C.int32_t(i)
	}
	for i, n := range c.constants {
		room := C.calloc(C.size_t(len(n)+1), C.sizeof_int32_t)
		copy(unsafe.Slice((*int32)(room), len(n)), n)
		unsafe.Slice(p.constant, len(c.constants))[i] = (*C.int32_t)(room)
		unsafe.Slice(p.lengths, len(c.constants))[i] = C.int64_t(len(n))
	}
	c.native = unsafe.Pointer(p)
}

func (l link) native() C.struct_qk_link {
	n := C.struct_qk_link{function: C.qk_function(l.function), argument: l.argument,
		inputs: C.int32_t(len(l.inputs)), outputs: C.int32_t(l.outputs), first: C.int32_t(l.first)}
	for i, v := range l.inputs {
		n.in[i] = C.struct_qk_value{from: C.int32_t(v.from), index: C.int32_t(v.index)}
	}
	return n
}

func (c *Chain) closeNative() {
	if c.native == nil {
		return
	}
	p := (*C.struct_qk_chain)(c.native)
	for _, room := range unsafe.Slice(p.constant, len(c.constants)) {
		C.free(unsafe.Pointer(room))
	}
	for _, room := range []unsafe.Pointer{unsafe.Pointer(p.link), unsafe.Pointer(p.widths), unsafe.Pointer(p.places),
		unsafe.Pointer(p.constant), unsafe.Pointer(p.lengths), c.native} {
		C.free(room)
	}
	c.native = nil
}

// run calls the chain on arrays of Go.
func (c *Chain) run(outputs [][]float32, inputs ...[]float32) {
	var pins runtime.Pinner
	defer pins.Unpin()
	in, out := pinned(&pins, inputs...), pinned(&pins, outputs...)
	sizes := make([]C.int64_t, len(inputs))
	for i, x := range inputs {
		sizes[i] = C.int64_t(len(x))
	}
	to := out[0]
	if len(out) > 1 {
		to = unsafe.Pointer(unsafe.SliceData(out))
	}
	C.qk_call_chain(c.native, unsafe.SliceData(in), unsafe.SliceData(sizes), to)
}
