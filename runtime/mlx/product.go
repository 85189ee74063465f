package mlx

/*
#include "glue.h"
*/
import "C"

import "unsafe"

// Operand is a matrix in memory of Go, row by row: row i begins at Data[i*Stride]. A transposed one is
// used as its transpose.
type Operand struct {
	Data       []float32
	Stride     int
	Transposed bool
}

// HasProduct says whether Product can be used: whether MLX's CPU backend brought a BLAS that can be
// called beside it.
func HasProduct() bool { return bool(C.qimport_has_sgemm()) }

// Product computes C = A B + beta C at once, with A [m, k], B [k, n] and C [m, n], by the BLAS that
// MLX itself uses on a CPU. It is for matrices so small that they are worked on by several
// goroutines, one product each, where a graph would compute one after the other. Nothing of MLX
// may run meanwhile. With beta = 0 what was in C does not count. A matrix that does not fit into
// its memory panics.
func Product(m, n, k int, a, b Operand, beta float32, c Operand) {
	if m == 0 || n == 0 {
		return
	}
	C.qimport_sgemm(C.bool(a.Transposed), C.bool(b.Transposed), C.int(m), C.int(n), C.int(k),
		a.at(m, k), C.int(a.Stride), b.at(k, n), C.int(b.Stride), C.float(beta), c.at(m, n), C.int(c.Stride))
}

// at is the matrix [rows, columns], after a look at where it ends.
func (o Operand) at(rows, columns int) *C.float {
	if o.Transposed {
		rows, columns = columns, rows
	}
	whole := o.Data[:(rows-1)*o.Stride+columns]
	return (*C.float)(unsafe.SliceData(whole))
}
