// The kernels in plain C, in loops that gcc and clang turn into vector code. native.c includes this
// file once an instruction set: TARGET is the attribute that asks for it, FN names the functions.
// The definition is the Go code in *_ref.go; each function here says the same without branches.
#include "native_float.h"
#include "native_codes.h"
#include "native_modes.h"
#include "native_affine.h"
#include "native_lowrank.h"
#include "native_subtract.h"
