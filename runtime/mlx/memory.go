package mlx

/*
#include "glue.h"
*/
import "C"

import "sync/atomic"

// liveArrays counts the handles that mlx-c has given out and not got back.
var liveArrays atomic.Int64

// LiveArrays is the number of arrays that are not freed yet, in all Threads. It is 0 when every
// Scope has ended and every kept array is freed.
func LiveArrays() int64 { return liveArrays.Load() }

// ReadMemory says what MLX's allocator holds. It may be called from any goroutine.
func ReadMemory() Memory {
	var active, cache, peak C.size_t
	C.mlx_get_active_memory(&active)
	C.mlx_get_cache_memory(&cache)
	C.mlx_get_peak_memory(&peak)
	return Memory{Active: int64(active), Cache: int64(cache), Peak: int64(peak)}
}

// ResetPeakMemory starts the measure of the peak anew.
func ResetPeakMemory() { C.mlx_reset_peak_memory() }

// SetCacheLimit bounds, in bytes, the freed memory that MLX keeps for reuse.
func SetCacheLimit(bytes int64) {
	var before C.size_t
	C.mlx_set_cache_limit(&before, C.size_t(bytes))
}

// ClearCache gives the freed memory that MLX keeps back to the system.
func ClearCache() { C.mlx_clear_cache() }
