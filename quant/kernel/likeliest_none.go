//go:build !cgo || !(amd64 || arm64) || windows

package kernel

import "unsafe"

// LikeliestEntry is nil: there is no C function in this build.
func LikeliestEntry() unsafe.Pointer { return nil }

// LikeliestSizes are for its function.
func LikeliestSizes(int, int) []int32 { return nil }
