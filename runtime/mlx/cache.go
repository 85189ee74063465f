//go:build cgo

package mlx

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// kernelFolder is the variable by which MLX is told where it keeps the kernels that it compiles.
const kernelFolder = "MLX_PTX_CACHE_DIR"

var tellOnce sync.Once

// tellCUDA sets what MLX reads when it first uses an NVIDIA GPU of that capability.
func tellCUDA(version string, capability [2]int64) {
	tellOnce.Do(func() {
		keepKernels(version, capability)
		handOverSooner(capability)
	})
}

// keepKernels has the kernels that MLX compiles kept in the user's cache, if nobody said where. MLX would keep
// them in the folder for temporary files, where they do not last and others may put what it then runs; and under
// names that are the same for every kind of GPU.
func keepKernels(version string, capability [2]int64) {
	cache, err := os.UserCacheDir()
	if _, set := os.LookupEnv(kernelFolder); set || err != nil {
		return
	}
	kind := fmt.Sprintf("mlx-%s-sm_%d%d", version, capability[0], capability[1])
	_ = os.Setenv(kernelFolder, filepath.Join(cache, "qimport", kind)) // only the name is checked, and has no NUL
}

// handOverSooner has MLX hand its operations to CUDA by fifties, if nobody said otherwise, on the GPUs for which it
// would gather a hundred (get_graph_limits of its backend/cuda): in that time they could have run what a single token
// takes of them. For others it gathers twenty, which is left so.
func handOverSooner(capability [2]int64) {
	const operations = "MLX_MAX_OPS_PER_BUFFER"
	hundreds := [][2]int64{{9, 0}, {10, 0}, {12, 0}}
	if _, set := os.LookupEnv(operations); !set && slices.Contains(hundreds, capability) {
		_ = os.Setenv(operations, "50") // only the name is checked
	}
}
