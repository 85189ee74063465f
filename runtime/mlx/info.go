package mlx

/*
#include "glue.h"
*/
import "C"

import (
	"fmt"
	"strings"
	"unsafe"
)

// openDevice finds the device to use; the caller frees it.
func openDevice(d Device) (C.mlx_device, Device, error) {
	var gpus C.int
	C.mlx_device_count(&gpus, C.MLX_GPU)
	switch {
	case d == GPU && gpus == 0:
		return C.mlx_device{}, d, fmt.Errorf("no GPU that this MLX can use; run on the CPU with --device cpu")
	case d == CPU || gpus == 0:
		return C.mlx_device_new_type(C.MLX_CPU, 0), CPU, nil
	}
	return C.mlx_device_new_type(C.MLX_GPU, 0), GPU, nil
}

func readInfo(dev C.mlx_device, kind Device) Info {
	info := Info{
		Version: version(),
		Device:  kind,
		Backend: backend(kind),
		BLAS:    strings.TrimSpace(C.GoString(C.qimport_blas_config())),
	}
	facts := C.mlx_device_info_new()
	defer C.mlx_device_info_free(facts)
	if C.mlx_device_info_get(&facts, dev) == 0 {
		info.Name = textFact(facts, "device_name")
		info.Memory = sizeFact(facts, "memory_size", "total_memory")
	}
	return info
}

// version is MLX's.
func version() string {
	text := C.mlx_string_new()
	defer C.mlx_string_free(text)
	C.mlx_version(&text)
	return C.GoString(C.mlx_string_data(text))
}

// capability is the kind of an NVIDIA GPU, "compute capability" to CUDA: 9 and 0 of an H100.
func capability(dev C.mlx_device) [2]int64 {
	facts := C.mlx_device_info_new()
	defer C.mlx_device_info_free(facts)
	if C.mlx_device_info_get(&facts, dev) != 0 {
		return [2]int64{}
	}
	return [2]int64{sizeFact(facts, "compute_capability_major"), sizeFact(facts, "compute_capability_minor")}
}

// backend names what runs the operations of a kind of device.
func backend(kind Device) string {
	var metal, cuda C.bool
	C.mlx_metal_is_available(&metal)
	C.mlx_cuda_is_available(&cuda)
	switch {
	case kind == GPU && bool(metal):
		return "metal"
	case kind == GPU && bool(cuda):
		return "cuda"
	}
	return "cpu"
}

func textFact(facts C.mlx_device_info, name string) string {
	key := C.CString(name)
	defer C.free(unsafe.Pointer(key))
	var value *C.char
	if C.mlx_device_info_get_string(&value, facts, key) != 0 {
		return ""
	}
	return C.GoString(value)
}

// sizeFact is the first of the named facts that there is, else 0.
func sizeFact(facts C.mlx_device_info, names ...string) int64 {
	for _, name := range names {
		key := C.CString(name)
		defer C.free(unsafe.Pointer(key))
		var value C.size_t
		if C.mlx_device_info_get_size(&value, facts, key) == 0 {
			return int64(value)
		}
	}
	return 0
}
