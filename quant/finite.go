package quant

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrNotFinite marks weights that hold NaN or infinity.
var ErrNotFinite = errors.New("weights are not finite")

// CheckFinite scans a tensor's numbers, scales included, for NaN and infinity, at the speed of
// memory. The error is ErrNotFinite and says in which array, where, and whether all of it is so. It
// does not know the tensor's name or file: the caller does.
func CheckFinite(t Tensor) error {
	for _, a := range []struct {
		what string
		b    []byte
		kind nonFinite
	}{
		{"weight", t.Data, dataKind(t.Format)},
		{"scales", t.Scales, scaleKind(t)},
		{"biases", t.Biases, scaleKind(t)},
	} {
		if a.kind.size == 0 || !a.kind.within(a.b) {
			continue
		}
		first, count, total := a.kind.count(a.b)
		many := fmt.Sprintf("%d of %d numbers", count, total)
		if count == total {
			many = fmt.Sprintf("all %d numbers", total)
		}
		return fmt.Errorf("%s of its %s are NaN or infinite, the first at byte %d: %w", many, a.what, first, ErrNotFinite)
	}
	return nil
}

// nonFinite tells NaN and infinity by their bits: all those under mask are set. Size 0: the dtype has
// neither.
type nonFinite struct {
	size int // bytes
	mask uint64
}

func dataKind(f Format) nonFinite {
	switch f.Mode {
	case Plain:
		return floatKind(f.Dtype)
	case MXFP8, FP8:
		return nonFinite{1, 0x7F} // e4m3
	}
	return nonFinite{}
}

func scaleKind(t Tensor) nonFinite {
	switch t.Format.Mode {
	case NVFP4:
		return nonFinite{1, 0x7F} // e4m3
	case MXFP4, MXFP8:
		return nonFinite{1, 0xFF} // e8m0
	case Affine, FP8, Int, GPTQ, GPTQ2, GPTQP, AWQ:
		return floatKind(t.ScaleDtype)
	}
	return nonFinite{}
}

func floatKind(d Dtype) nonFinite {
	switch d {
	case BF16:
		return nonFinite{2, 0x7F80}
	case F16:
		return nonFinite{2, 0x7C00}
	case F32:
		return nonFinite{4, 0x7F800000}
	}
	return nonFinite{}
}

// within says whether b holds any such number, eight bytes at a time: where all bits of the mask
// are set, adding its lowest bit carries out of it.
func (k nonFinite) within(b []byte) bool {
	if k.mask == 0xFF { // no bit is left to carry into
		return bytes.IndexByte(b, 0xFF) >= 0
	}
	lanes, top := uint64(0), k.mask
	for top&(top-1) != 0 { // its highest bit
		top &= top - 1
	}
	for i := 0; i < 8; i += k.size {
		lanes |= 1 << (8 * i)
	}
	mask, low, out := k.mask*lanes, (k.mask&-k.mask)*lanes, (top<<1)*lanes
	i := 0
	var found uint64
	for ; i+8 <= len(b); i += 8 {
		found |= (binary.LittleEndian.Uint64(b[i:])&mask + low) & out
	}
	for ; i+k.size <= len(b); i += k.size {
		if k.at(b, i) {
			return true
		}
	}
	return found != 0
}

func (k nonFinite) at(b []byte, i int) bool {
	var bits uint64
	for j := range k.size {
		bits |= uint64(b[i+j]) << (8 * j)
	}
	return bits&k.mask == k.mask
}

// count says where the first is, and how many of how many there are.
func (k nonFinite) count(b []byte) (first, count, total int) {
	first = -1
	for i := 0; i+k.size <= len(b); i += k.size {
		total++
		if k.at(b, i) {
			count++
			if first < 0 {
				first = i
			}
		}
	}
	return first, count, total
}
