// Functions that MLX traces once and then replays.
#include <stdint.h>

#include <mlx/c/mlx.h>

// qimport_function_new is the compiled form of a function of Go's, which
// qimport_trace calls by its handle. ctx is NULL after an error.
mlx_closure qimport_function_new(uintptr_t function);
