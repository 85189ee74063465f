package quant

import "fmt"

// Dtype is the type of one stored element, by its safetensors name.
type Dtype uint8

// The dtypes of the safetensors format that a whole number of bytes can hold. F8E4M3 is e4m3fn:
// no infinities, 0x7F and 0xFF are NaN.
const (
	NoDtype Dtype = iota
	Bool
	U8
	I8
	F8E4M3
	F8E5M2
	F8E8M0
	U16
	I16
	F16
	BF16
	U32
	I32
	F32
	U64
	I64
	F64
	C64
)

// dtypes is the one table of names and sizes in bytes.
var dtypes = [...]struct {
	name string
	size int
}{
	NoDtype: {"", 0},
	Bool:    {"BOOL", 1}, U8: {"U8", 1}, I8: {"I8", 1},
	F8E4M3: {"F8_E4M3", 1}, F8E5M2: {"F8_E5M2", 1}, F8E8M0: {"F8_E8M0", 1},
	U16: {"U16", 2}, I16: {"I16", 2}, F16: {"F16", 2}, BF16: {"BF16", 2},
	U32: {"U32", 4}, I32: {"I32", 4}, F32: {"F32", 4},
	U64: {"U64", 8}, I64: {"I64", 8}, F64: {"F64", 8}, C64: {"C64", 8},
}

// ParseDtype reads a dtype's safetensors name, such as "BF16" or "F8_E4M3".
func ParseDtype(name string) (Dtype, error) {
	for d, t := range dtypes {
		if d != int(NoDtype) && t.name == name {
			return Dtype(d), nil
		}
	}
	return NoDtype, fmt.Errorf("unknown dtype %q", name)
}

// String is the dtype's safetensors name.
func (d Dtype) String() string {
	if int(d) < len(dtypes) {
		return dtypes[d].name
	}
	return fmt.Sprintf("dtype(%d)", uint8(d))
}

// Size is the bytes of one element.
func (d Dtype) Size() int { return dtypes[d].size }

// IsFloat says whether weights may be stored in it as they are: bf16, f16 or f32.
func (d Dtype) IsFloat() bool { return d == BF16 || d == F16 || d == F32 }
