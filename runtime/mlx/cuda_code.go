//go:build cgo

package mlx

import (
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
)

// compiler turns a source in CUDA's language into a GPU's machine code.
type compiler interface {
	// version names the compiler: another one makes other code of the same source.
	version() (string, error)
	// compile returns the code, or an error with what the compiler says of the source, which it calls by name.
	compile(source, name string, options []string) ([]byte, error)
}

// cudaCode is a kernel that is compiled.
type cudaCode struct {
	function string // the name that it has in the code
	given    []byte // to MLX: the code, or nothing where MLX finds it in its folder
}

// cudaCompiler makes kernels for one kind of GPU, and keeps them from one process to the next.
type cudaCompiler struct {
	compiler
	arch   string                       // of the GPU, as the compiler calls it: sm_90
	folder func() codeFolder            // where MLX looks now
	file   func(function string) string // how MLX calls the files of a kernel for which it is given nothing
	made   map[string]cudaCode          // in this process, by the source
}

// code is the machine code of a source whose function is called cudaFunction: of this process, kept by an earlier
// one, or compiled now.
func (c *cudaCompiler) code(name, source string) (cudaCode, error) {
	if made, ok := c.made[source]; ok {
		return made, nil
	}
	version, err := c.version()
	if err != nil {
		return cudaCode{}, err
	}
	options := []string{"--gpu-architecture=" + c.arch}
	key := sha256.Sum256([]byte(strings.Join(append(options, version, source), "\n")))
	made := cudaCode{function: fmt.Sprintf("qimport_%s_%x", name, key[:16])}
	folder, file := c.folder(), c.file(made.function)
	if !folder.has(file, made.function) {
		code, err := c.compile(source, name+".cu", append(options, "-D"+cudaFunction+"="+made.function))
		if err != nil {
			return cudaCode{}, err
		}
		if folder.keep(file, made.function, code) != nil { // the next process compiles it again
			made.given = code
		}
	}
	c.made[source] = made
	return made, nil
}

// mlxFolder is where MLX looks for kernels. Without the variable it is a folder of temporary files, which others
// may write to: nothing is kept there.
func mlxFolder() codeFolder { return codeFolder(os.Getenv(kernelFolder)) }
