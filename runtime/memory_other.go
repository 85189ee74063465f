//go:build !linux && !darwin

package runtime

// systemMemory is not known on this system.
func systemMemory() int64 { return 0 }
