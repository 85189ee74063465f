//go:build cgo

package kernel

// #include "native.h"
import "C"
import "golang.org/x/sys/cpu"

// native lists the C versions that this CPU can run, slowest first.
func native() []*Set {
	sets := []*Set{newNative("sse2", C.BASE)}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		sets = append(sets, newNative("avx2", C.AVX2))
	}
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512DQ {
		sets = append(sets, newNative("avx512", C.AVX512))
		if cpu.X86.HasAVX512VNNI && cpu.X86.HasAVX512VBMI {
			sets = append(sets, newNative("avx512vnni", C.AVX512VNNI))
		}
	}
	return sets
}
