package quant

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"qimport/internal/spelling"
)

// Mode is the family of a format: how an element, its scale and its packing are to be read.
type Mode uint8

// The modes. Plain is unquantized. NVFP4, MXFP4, MXFP8 and Affine are those of MLX, and what
// qimport writes. The others are read only. FP8: e4m3 elements with float scales over blocks of rows and
// columns. Int: integers less a zero point with float scales over groups of a row. GPTQ, GPTQ2, GPTQP and AWQ:
// the same, packed input by input; GPTQP in planes of bits.
const (
	Keep Mode = iota // no format: whatever the source has
	Plain
	NVFP4
	MXFP4
	MXFP8
	Affine
	FP8
	Int
	GPTQ  // zero points are stored less one
	GPTQ2 // zero points are stored as they are
	GPTQP // so too, and the bits of a code lie apart
	AWQ
)

var modeNames = [...]string{
	Keep: "keep", Plain: "plain", NVFP4: "nvfp4", MXFP4: "mxfp4", MXFP8: "mxfp8", Affine: "affine", FP8: "fp8", Int: "int",
	GPTQ: "gptq", GPTQ2: "gptq_v2", GPTQP: "gptq_p", AWQ: "awq",
}

func (m Mode) String() string { return modeNames[m] }

// Format says how the elements of one tensor are stored. It is comparable; the zero value is "keep".
type Format struct {
	Mode      Mode
	Dtype     Dtype // Plain: of the elements; NoDtype otherwise
	Bits      int   // quantized modes: bits of one element
	GroupSize int   // MLX modes, Int, GPTQ and AWQ: elements of a row that share a scale; 0 in the last three: all of them
	BlockRows int   // FP8, and Int, which knows 1 and 0: rows that share a scale; 0 means all of them
	BlockCols int   // FP8: columns that share a scale; 0 means all of them

	Packing Packing `json:",omitempty"` // Int: how the codes lie in memory
	Zeros   bool    `json:",omitempty"` // Int: there are zero points; without, zero is half the codes' range
}

// The formats that have a name of their own. Int4 and Int8 are affine with groups of 64.
var (
	FormatBF16  = Format{Mode: Plain, Dtype: BF16}
	FormatF16   = Format{Mode: Plain, Dtype: F16}
	FormatF32   = Format{Mode: Plain, Dtype: F32}
	FormatNVFP4 = Format{Mode: NVFP4, Bits: 4, GroupSize: 16}
	FormatMXFP4 = Format{Mode: MXFP4, Bits: 4, GroupSize: 32}
	FormatMXFP8 = Format{Mode: MXFP8, Bits: 8, GroupSize: 32}
	FormatInt4  = AffineFormat(4, 64)
	FormatInt8  = AffineFormat(8, 64)
)

// formatNames is the one name table; Format.String and ParseFormat both read it.
var formatNames = []struct {
	name   string
	format Format
}{
	{"keep", Format{}},
	{"bf16", FormatBF16}, {"f16", FormatF16}, {"f32", FormatF32},
	{"nvfp4", FormatNVFP4}, {"mxfp8", FormatMXFP8}, {"mxfp4", FormatMXFP4},
	{"int4", FormatInt4}, {"int8", FormatInt8},
}

// AffineFormat is the affine format of that many bits and that group size, checked by Validate only.
func AffineFormat(bits, group int) Format {
	return Format{Mode: Affine, Bits: bits, GroupSize: group}
}

// PlainFormat is the unquantized format of a dtype.
func PlainFormat(d Dtype) Format { return Format{Mode: Plain, Dtype: d} }

// ErrFormat marks a format name, or a format, that does not exist.
var ErrFormat = errors.New("no such format")

// FormatList names every type that ParseFormat takes, for help texts and errors.
const FormatList = "bf16 f16 f32 nvfp4 mxfp8 mxfp4 int4 int8 affine:BITS[:GROUP] keep"

// ParseFormat reads a type as a user writes it: a name of FormatList, in any case, or
// "affine:BITS[:GROUP]" with 2, 3, 4, 5, 6 or 8 bits and groups of 32, 64 (the default) or 128.
func ParseFormat(s string) (Format, error) {
	lower := strings.ToLower(strings.TrimSpace(s))
	for _, n := range formatNames {
		if n.name == lower {
			return n.format, nil
		}
	}
	rest, ok := strings.CutPrefix(lower, "affine:")
	if !ok {
		return Format{}, fmt.Errorf("type %q: %w%s; known are %s", s, ErrFormat, spelling.DidYouMean(lower, strings.Fields(FormatList)), FormatList)
	}
	bits, group, hasGroup := strings.Cut(rest, ":")
	if !hasGroup {
		group = "64"
	}
	b, errB := strconv.Atoi(bits)
	g, errG := strconv.Atoi(group)
	f := AffineFormat(b, g)
	if errB != nil || errG != nil || f.Validate() != nil {
		return Format{}, fmt.Errorf("type %q: %w; affine takes 2, 3, 4, 5, 6 or 8 bits and groups of 32, 64 or 128", s, ErrFormat)
	}
	return f, nil
}

// String is the name that ParseFormat reads back; FP8 and Int, which cannot be asked for, say their blocks.
func (f Format) String() string {
	for _, n := range formatNames {
		if n.format == f {
			return n.name
		}
	}
	switch f.Mode {
	case Plain:
		return strings.ToLower(f.Dtype.String())
	case Affine:
		return fmt.Sprintf("affine:%d:%d", f.Bits, f.GroupSize)
	case FP8:
		return f.fp8Name()
	case Int:
		return f.intName()
	}
	return fmt.Sprintf("%s:%d:%d", f.Mode, f.Bits, f.GroupSize)
}

func (f Format) fp8Name() string {
	switch {
	case f.BlockRows == 0 && f.BlockCols == 0:
		return "fp8:tensor"
	case f.BlockRows == 1 && f.BlockCols == 0:
		return "fp8:row"
	}
	return fmt.Sprintf("fp8:%dx%d", f.BlockRows, f.BlockCols)
}

// IsKeep says whether this is the zero format: leave the tensor as the source has it.
func (f Format) IsKeep() bool { return f == Format{} }

// IsQuantized says whether elements are packed with scales, in any mode.
func (f Format) IsQuantized() bool { return f.Mode >= NVFP4 }

// Validate refuses bits, groups and dtypes that the mode has not.
func (f Format) Validate() error {
	ok := false
	switch f.Mode {
	case Keep:
		ok = f.IsKeep()
	case Plain:
		ok = f == PlainFormat(f.Dtype) && f.Dtype != NoDtype
	case NVFP4:
		ok = f == FormatNVFP4
	case MXFP4:
		ok = f == FormatMXFP4
	case MXFP8:
		ok = f == FormatMXFP8
	case Affine:
		bits := f.Bits >= 2 && f.Bits <= 8 && f.Bits != 7
		ok = bits && (f.GroupSize == 32 || f.GroupSize == 64 || f.GroupSize == 128)
	case FP8:
		ok = f.Bits == 8 && f.BlockRows >= 0 && f.BlockCols >= 0
	case Int:
		ok = f.validInt()
	case GPTQ, GPTQ2:
		ok = f.Bits >= 2 && f.Bits <= 8 && f.GroupSize >= 0
	case GPTQP:
		ok = planesOf(f.Bits) != nil && f.GroupSize >= 0
	case AWQ:
		ok = f.Bits >= 4 && f.Bits <= 7 && f.GroupSize >= 0
	}
	if !ok {
		return fmt.Errorf("%s: %w", f, ErrFormat)
	}
	return nil
}
