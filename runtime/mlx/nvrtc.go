package mlx

/*
#include <stdlib.h>
#include "nvrtc.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// nvrtc is the compiler that MLX's library for CUDA brings.
type nvrtc struct{}

func (nvrtc) version() (string, error) {
	var major, minor C.int
	if !C.qimport_nvrtc_version(&major, &minor) {
		return "", ErrNoNVRTC
	}
	return fmt.Sprintf("nvrtc %d.%d", major, minor), nil
}

func (n nvrtc) compile(source, name string, options []string) ([]byte, error) {
	if _, err := n.version(); err != nil {
		return nil, err
	}
	texts := make([]*C.char, 0, 2+len(options))
	for _, text := range append([]string{source, name}, options...) {
		c := C.CString(text)
		defer C.free(unsafe.Pointer(c))
		texts = append(texts, c)
	}
	var text *C.char
	var size C.size_t
	rc := C.qimport_nvrtc_compile(texts[0], texts[1], unsafe.SliceData(texts[2:]), C.int(len(options)), &text, &size)
	defer C.free(unsafe.Pointer(text))
	made := C.GoBytes(unsafe.Pointer(text), C.int(size))
	if rc != 0 {
		return nil, errors.New(cleanText(string(made)))
	}
	return made, nil
}
