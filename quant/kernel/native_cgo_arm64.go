//go:build cgo

package kernel

// #include "native.h"
import "C"

// native lists the one C version: every arm64 CPU has NEON.
func native() []*Set { return []*Set{newNative("neon", C.BASE)} }
