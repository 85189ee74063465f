//go:build !linux && !darwin

package safetensors

// dontNeed does nothing where the kernel takes no such advice.
func dontNeed([]byte) {}

func willNeed([]byte) {}
