// CUDA's compiler at run time, which MLX's library for CUDA brings into the process.
#include <stdbool.h>
#include <stddef.h>

// qimport_nvrtc_version sets the compiler's version, or returns false where there is none.
bool qimport_nvrtc_version(int* major, int* minor);

// qimport_nvrtc_compile sets *text, which the caller frees, and its size to the machine code of a source for one
// kind of GPU and returns 0; else to what is wrong. There must be a compiler.
int qimport_nvrtc_compile(const char* source, const char* name, const char* const* options, int count,
                          char** text, size_t* size);
