//go:build cgo

package mlx

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// kernelFolder is the variable by which MLX is told where it keeps the kernels that it compiles.
const kernelFolder = "MLX_PTX_CACHE_DIR"

var keepOnce sync.Once

// keepKernels has the kernels that MLX compiles for an NVIDIA GPU kept in the user's cache, if nobody
// said where. MLX would keep them in the folder for temporary files, where they do not last and others
// may put what it then runs; and under names that are the same for every kind of GPU.
func keepKernels(info Info, capability [2]int64) {
	if info.Backend != "cuda" {
		return
	}
	keepOnce.Do(func() {
		cache, err := os.UserCacheDir()
		if _, set := os.LookupEnv(kernelFolder); set || err != nil {
			return
		}
		kind := fmt.Sprintf("mlx-%s-sm_%d%d", info.Version, capability[0], capability[1])
		_ = os.Setenv(kernelFolder, filepath.Join(cache, "qimport", kind)) // only the name is checked, and has no NUL
	})
}

// handOverSooner has MLX hand its operations to CUDA by fifties, if nobody said otherwise: it would gather
// a hundred, in which time a GPU could have run what a single token takes of them.
func handOverSooner() {
	const operations = "MLX_MAX_OPS_PER_BUFFER"
	if _, set := os.LookupEnv(operations); !set {
		_ = os.Setenv(operations, "50") // only the name is checked
	}
}
