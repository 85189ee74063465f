package kernel

import (
	"fmt"
	"runtime"
	"unsafe"
)

// Matrix is a stack of experts, each [Out, In] in packed rows, that multiplies float32 columns. One
// expert is a plain matrix. Several goroutines may use it at the same time.
type Matrix struct {
	In, Out int
	experts [][]Rows
	native  unsafe.Pointer // the same in C; nil where the definition computes
	pins    runtime.Pinner
}

// NewMatrix makes a matrix for the fastest version that this CPU can run. Every expert has as many
// rows. The bytes are borrowed until Close. Wrong lengths panic.
func NewMatrix(in int, experts [][]Rows) *Matrix { return newMatrix(best, in, experts) }

func newMatrix(s *Set, in int, experts [][]Rows) *Matrix {
	m := &Matrix{In: in, experts: make([][]Rows, len(experts))}
	for e, rows := range experts {
		out := 0
		for _, r := range rows {
			m.experts[e] = append(m.experts[e], r.trim(in))
			out += r.N
		}
		if e > 0 && out != m.Out {
			panic(fmt.Sprintf("expert %d has %d rows, not %d", e, out, m.Out))
		}
		m.Out = out
	}
	if s != &reference {
		m.openNative(s.isa)
	}
	return m
}

// Experts is the height of the stack.
func (m *Matrix) Experts() int { return len(m.experts) }

// Close lets go of the bytes. The matrix cannot be used any more.
func (m *Matrix) Close() {
	m.closeNative()
	m.pins.Unpin()
	m.experts = nil
}

// Multiply writes the products of expert 0 with the columns x [n, In] to y [n, Out].
func (m *Matrix) Multiply(y, x []float32) {
	n := 0
	if m.In > 0 {
		n = len(x) / m.In
	}
	y = y[:n*m.Out]
	if m.native != nil {
		m.multiplyNative(y, x, n)
		return
	}
	m.multiplyRef(y, x, make([]uint32, n))
}

// MultiplyExperts writes to row i of y [len(ids), Out] the product of expert ids[i] with its column.
// x is [len(ids)/each, In]: each row serves that many consecutive ids. An id outside the stack gives zeros.
func (m *Matrix) MultiplyExperts(y, x []float32, ids []uint32) {
	y = y[:len(ids)*m.Out]
	if len(ids) == 0 {
		return
	}
	if m.native != nil {
		m.expertsNative(y, x, ids, eachID(m.In, x, ids))
		return
	}
	m.multiplyRef(y, x, ids)
}

// eachID is how many consecutive ids share a row of x. It panics where the ids are no multiple of the rows.
func eachID(in int, x []float32, ids []uint32) int {
	if len(ids) == 0 {
		return 1
	}
	if rows := len(x) / max(in, 1); rows > 0 && rows*in == len(x) && len(ids)%rows == 0 {
		return len(ids) / rows
	}
	panic(fmt.Sprintf("%d values are no columns of %d for %d ids", len(x), in, len(ids)))
}

// Decode writes rows of the stack, as one matrix [experts*Out, In], to y [len(ids), In]. An id outside
// it gives zeros.
func (m *Matrix) Decode(y []float32, ids []int32) {
	y = y[:len(ids)*m.In]
	if m.native != nil {
		m.decodeNative(y, ids)
		return
	}
	m.decodeRef(y, ids)
}

// Entry names an operation of a Matrix that C code may call. All inputs are row-major.
type Entry uint8

// The operations: Multiply of x, float32 [n, In]; MultiplyExperts of x, float32, and ids, uint32;
// Decode of ids, int32 or uint32.
const (
	EntryMultiply Entry = iota
	EntryExperts
	EntryDecode
)
