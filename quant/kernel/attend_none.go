//go:build !cgo || !(amd64 || arm64) || windows

package kernel

import "unsafe"

// Entry is nil: there is no C function in this build.
func (z Attend) Entry() unsafe.Pointer { return nil }

// Sizes are for Entry's function.
func (z Attend) Sizes() []int32 { return nil }
