//go:build !cgo || !(amd64 || arm64) || windows

package kernel

import "unsafe"

// Entry is nil: there is no C function in this build.
func (z DeltaPrompt) Entry() unsafe.Pointer { return nil }

// Sizes are for Entry's function.
func (z DeltaPrompt) Sizes() []int32 { return nil }

// Entry is nil: there is no C function in this build.
func (z AttendPrompt) Entry() unsafe.Pointer { return nil }

// Sizes are for Entry's function.
func (z AttendPrompt) Sizes() []int32 { return nil }
