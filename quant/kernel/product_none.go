//go:build !cgo || !(amd64 || arm64) || windows

package kernel

import "unsafe"

func (m *Matrix) openNative(int)                                  {}
func (m *Matrix) closeNative()                                    {}
func (m *Matrix) multiplyNative(y, x []float32, n int)            {}
func (m *Matrix) expertsNative(y, x []float32, _ []uint32, _ int) {}
func (m *Matrix) decodeNative(y []float32, _ []int32)             {}

// Entry is nil: there is no C function in this build.
func (m *Matrix) Entry(Entry) (function, argument unsafe.Pointer) { return nil, nil }

// SetThreads does nothing: this build has the definition only, on one thread.
func SetThreads(int) {}

// Faults is 0: a fault in Go is Go's.
func Faults() (count int, last uintptr) { return 0, 0 }
