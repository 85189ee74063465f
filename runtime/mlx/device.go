package mlx

import (
	"fmt"

	"qimport/internal/spelling"
)

// Device says where operations run.
type Device uint8

// The devices. Auto is the GPU where there is one.
const (
	Auto Device = iota
	CPU
	GPU
)

var deviceNames = [...]string{Auto: "auto", CPU: "cpu", GPU: "gpu"}

func (d Device) String() string { return deviceNames[d] }

// ParseDevice reads a device's name: auto, cpu or gpu.
func ParseDevice(name string) (Device, error) {
	for d, n := range deviceNames {
		if n == name {
			return Device(d), nil
		}
	}
	return Auto, fmt.Errorf("device %q is unknown%s; known are auto, cpu, gpu", name, spelling.DidYouMean(name, deviceNames[:]))
}

// Info says which MLX runs, and on what.
type Info struct {
	Version string // of MLX, "0.32.2"
	Device  Device // CPU or GPU
	Backend string // "cpu", "cuda" or "metal"
	Name    string // of the device, as MLX has it
	Memory  int64  // bytes the device has, 0 where MLX does not say
	BLAS    string // what multiplies float32 on the CPU: "OpenBLAS 0.3.34 ...", or "" if not known
}

// Memory is what MLX's allocator holds, in bytes. It is one for the process.
type Memory struct {
	Active int64 // in arrays that are alive
	Cache  int64 // freed, kept for reuse
	Peak   int64 // the most that was active since the start, or since ResetPeakMemory
}
