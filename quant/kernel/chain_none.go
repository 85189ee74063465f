//go:build !cgo || !(amd64 || arm64) || windows

package kernel

import "unsafe"

func (c *Chain) openNative()  {}
func (c *Chain) closeNative() {}

// Entry is nil: there is no C function in this build.
func (c *Chain) Entry() (function, argument unsafe.Pointer) { return nil, c.native }

// AddEntry is nil: there is no C function in this build.
func AddEntry() unsafe.Pointer { return nil }

// GateEntry is nil: there is no C function in this build.
func GateEntry() unsafe.Pointer { return nil }

// RouteEntry is nil: there is no C function in this build.
func RouteEntry() unsafe.Pointer { return nil }

// CombineEntry is nil: there is no C function in this build.
func CombineEntry() unsafe.Pointer { return nil }

// CombineAllEntry is nil: there is no C function in this build.
func CombineAllEntry() unsafe.Pointer { return nil }

// RouteSizes are for Route's function.
func RouteSizes(int, int, bool) []int32 { return nil }
