//go:build cgo && (amd64 || arm64) && !windows

package kernel

// #cgo linux LDFLAGS: -lpthread
// #cgo noescape qk_multiply
// #cgo nocallback qk_multiply
// #cgo noescape qk_multiply_experts
// #cgo nocallback qk_multiply_experts
// #cgo noescape qk_decode
// #cgo nocallback qk_decode
// #include <stdlib.h>
// #include "product.h"
import "C"
import (
	"runtime"
	"sync"
	"unsafe"
)

// ready starts the threads and installs the handler of faults, once.
var ready = sync.OnceFunc(func() {
	C.qk_watch()
	C.qk_set_threads(C.int(runtime.GOMAXPROCS(0)))
})

// SetThreads says how many threads work at a product, the caller's among them; GOMAXPROCS as it is at
// the first product otherwise. Results do not depend on it.
func SetThreads(n int) {
	ready()
	C.qk_set_threads(C.int(n))
}

// Faults is how many pages of mapped files products found to be gone since the program began, and the
// address of the last. Such pages read as zeros: a result is good only if the count stayed as it was.
func Faults() (count int, last uintptr) {
	var at C.uint64_t
	n := C.qk_faults(&at)
	return int(n), uintptr(at)
}

// openNative describes the matrix in C's memory. Bytes in Go's are pinned until Close.
func (m *Matrix) openNative(isa int) {
	ready()
	p := (*C.struct_qk_product)(C.calloc(1, C.sizeof_struct_qk_product))
	p.out, p.in, p.experts, p.isa = C.int64_t(m.Out), C.int64_t(m.In), C.int64_t(len(m.experts)), C.int(isa)
	runs := 0
	for _, rows := range m.experts {
		runs += len(rows)
	}
	p.runs = (*C.struct_qk_rows)(C.calloc(C.size_t(runs+1), C.sizeof_struct_qk_rows))
	p.first = (*C.int64_t)(C.calloc(C.size_t(len(m.experts)+1), C.sizeof_int64_t))
	to, first, at := unsafe.Slice(p.runs, runs), unsafe.Slice(p.first, len(m.experts)+1), 0
	for e, rows := range m.experts {
		for i := range rows {
			to[at] = m.nativeRows(&rows[i])
			at++
		}
		first[e+1] = C.int64_t(at)
	}
	m.native = unsafe.Pointer(p)
}

func (m *Matrix) nativeRows(r *Rows) C.struct_qk_rows {
	dataSize, scaleSize := r.sizes(m.In)
	return C.struct_qk_rows{
		data: m.pin(r.Data), scales: m.pin(r.Scales), biases: m.pin(r.Biases),
		count: C.int64_t(r.N), data_size: C.int64_t(dataSize), scale_size: C.int64_t(scaleSize),
		layout: C.int(r.Layout), elem: C.int(r.Elem), bits: C.int(r.Bits), group: C.int(r.Group),
		global: C.float(r.Global),
		first:  C.int64_t(r.First), height: C.int64_t(r.Height), wide: C.int64_t(r.Wide),
		step: C.int64_t(r.Step * r.Elem.Size()),
	}
}

// pin keeps bytes in Go's memory where they are; it does nothing to those in mapped memory.
func (m *Matrix) pin(b []byte) *C.u8 {
	if len(b) == 0 {
		return nil
	}
	m.pins.Pin(unsafe.SliceData(b))
	return data(b)
}

func (m *Matrix) product() *C.struct_qk_product { return (*C.struct_qk_product)(m.native) }

func (m *Matrix) closeNative() {
	if p := m.product(); p != nil {
		C.free(unsafe.Pointer(p.runs))
		C.free(unsafe.Pointer(p.first))
		C.free(m.native)
	}
	m.native = nil
}

func (m *Matrix) multiplyNative(y, x []float32, n int) {
	C.qk_multiply(m.product(), floats(y), floats(x), C.int64_t(n))
}

func (m *Matrix) expertsNative(y, x []float32, ids []uint32, each int) {
	C.qk_multiply_experts(m.product(), floats(y), floats(x), (*C.uint32_t)(unsafe.SliceData(ids)), C.int64_t(len(ids)), C.int64_t(each))
}

func (m *Matrix) decodeNative(y []float32, ids []int32) {
	C.qk_decode(m.product(), floats(y), (*C.int32_t)(unsafe.SliceData(ids)), C.int64_t(len(ids)))
}

// Entry is the C function of an operation, and its argument, which is good until Close:
//
//	void f(const void *argument, const void *const *inputs, const int64_t *sizes, void *output)
//
// sizes are the elements of each input. See Entry for the inputs.
func (m *Matrix) Entry(e Entry) (function, argument unsafe.Pointer) {
	if m.native == nil {
		return nil, nil
	}
	switch e {
	case EntryMultiply:
		return C.qk_call_multiply, m.native
	case EntryExperts:
		return C.qk_call_experts, m.native
	}
	return C.qk_call_decode, m.native
}
