//go:build cgo

package mlx

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"qimport/quant"
)

//go:embed numbers.cuh
var cudaNumbers string

// cudaTypes are dtypes in CUDA's language, as numbers.cuh has it.
var cudaTypes = map[quant.Dtype]string{
	quant.F32: "float", quant.BF16: "qimport::bf16", quant.I32: "int32_t", quant.U32: "uint32_t", quant.U8: "uint8_t",
}

// cudaFunction is the name of the function in cudaSource: a macro, since the name that it is to get is made of a
// digest of the source.
const cudaFunction = "QIMPORT_FUNCTION"

// cudaSize is where a body asks for the size of an input's axis.
var cudaSize = regexp.MustCompile(`\b(\w+)_shape\[(\d)\]`)

// cudaSource is the source of the kernel with these constants, for inputs of these dtypes. Behind its inputs and
// outputs the function takes an int for each of the sizes, in the order of cudaSizes.
func (k *Kernel) cudaSource(r KernelRun, inputs []quant.Dtype) string {
	var args []string
	arg := func(prefix string, d quant.Dtype, name string) {
		args = append(args, prefix+cudaType(d)+"* "+name)
	}
	for i, name := range k.Inputs {
		arg("const ", inputs[i], name)
	}
	for i, name := range k.Outputs {
		arg("", r.Outputs[i].Dtype, name)
	}
	for _, size := range k.cudaSizes() {
		args = append(args, fmt.Sprintf("int %s_shape_%d", k.Inputs[size.input], size.axis))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s\nextern \"C\" __global__ void %s(\n    %s) {\n", cudaNumbers, k.CUDA.Header, cudaFunction, strings.Join(args, ",\n    "))
	for i, name := range k.Ints {
		fmt.Fprintf(&b, "  constexpr int %s = %d;\n", name, r.Ints[i])
	}
	for i, name := range k.Types {
		fmt.Fprintf(&b, "  using %s = %s;\n", name, cudaType(r.Types[i]))
	}
	fmt.Fprintf(&b, "%s\n}\n", cudaSize.ReplaceAllString(k.CUDA.Body, "${1}_shape_$2"))
	return b.String()
}

func cudaType(d quant.Dtype) string {
	name, ok := cudaTypes[d]
	if !ok {
		panic(&Error{Op: "kernel", Text: fmt.Sprintf("a kernel for CUDA has no type for %s", d)})
	}
	return name
}

// inputSize is an axis of one of a Kernel's inputs.
type inputSize struct{ input, axis int }

// cudaSizes are the sizes that the body asks for, each once.
func (k *Kernel) cudaSizes() []inputSize {
	var all []inputSize
	for _, found := range cudaSize.FindAllStringSubmatch(k.CUDA.Body, -1) {
		size := inputSize{slices.Index(k.Inputs, found[1]), int(found[2][0] - '0')}
		if size.input < 0 {
			panic(&Error{Op: k.Name, Text: "the source asks for a size of " + found[1] + ", which is no input"})
		}
		if !slices.Contains(all, size) {
			all = append(all, size)
		}
	}
	return all
}
