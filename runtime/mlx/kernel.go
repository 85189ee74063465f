package mlx

import (
	"errors"

	"qimport/quant"
)

// Kernel is a function of our own that a GPU runs as one operation. Its head is written for it: a pointer for
// each input and output, and the constants, under the names given here; where the body says x_shape[1], that is
// a size of input x. It is plain data: Scope.Run has it compiled, and the Thread frees what came of that when
// it closes. A CPU has none.
//
// For CUDA its compiled form is kept, with other kernels that MLX compiles, and used again by later processes.
// Its source has C++ and what CUDA's compiler knows by itself, no headers; numbers.cuh has the types.
type Kernel struct {
	Name            string // letters, digits and _
	Inputs, Outputs []string
	Ints, Types     []string // constants: whole numbers, and dtypes by the backend's names
	CUDA, Metal     KernelSource
}

// ErrNoNVRTC says that kernels for CUDA cannot be compiled here.
var ErrNoNVRTC = errors.New("this process has no NVRTC, CUDA's compiler, which MLX for CUDA brings")

// KernelSource is a Kernel in one backend's language.
type KernelSource struct {
	Header string // what the function uses, put before it
	Body   string // of the function
}

// KernelRun is one use of a Kernel.
type KernelRun struct {
	Inputs  []*Array // those that do not lie row by row in memory are copied first
	Outputs []KernelOutput
	Ints    []int         // values of the constants, not negative; each combination is compiled anew
	Types   []quant.Dtype // likewise
	Threads [3]int        // in all, in each dimension
	Group   [3]int        // in one group (a "block" of CUDA, a "threadgroup" of Metal)
}

// KernelOutput is an array that a Kernel fills.
type KernelOutput struct {
	Dtype quant.Dtype
	Shape []int
}
