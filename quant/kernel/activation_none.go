//go:build !cgo || !(amd64 || arm64) || windows

package kernel

import "unsafe"

// NormEntry is nil: there is no C function in this build.
func NormEntry() unsafe.Pointer { return nil }

// SwiGLUEntry is nil: there is no C function in this build.
func SwiGLUEntry() unsafe.Pointer { return nil }

// ActivationSizes are for the functions.
func ActivationSizes(int, float32) []int32 { return nil }
