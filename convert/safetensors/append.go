package safetensors

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// New lays tensors out in canonical order: sorted by name, the data in that order without gaps, the
// header padded to 8 bytes. Begin and End of the arguments are ignored. A name that comes twice or a
// size that overflows is an error.
func New(metadata map[string]string, tensors []Tensor) (Header, error) {
	h := Header{Metadata: metadata, Tensors: slices.Clone(tensors)}
	slices.SortFunc(h.Tensors, byName)
	var end int64
	for i := range h.Tensors {
		t := &h.Tensors[i]
		if i > 0 && t.Name == h.Tensors[i-1].Name {
			return Header{}, fmt.Errorf("tensor %q is there twice: %w", t.Name, ErrBadHeader)
		}
		n, ok := dataBytes(t.Dtype, t.Shape)
		if !ok || int64(n) < 0 || end+int64(n) < end {
			return Header{}, fmt.Errorf("tensor %q: shape %v overflows: %w", t.Name, t.Shape, ErrBadHeader)
		}
		t.Begin, t.End = end, end+int64(n)
		end = t.End
	}
	h.DataStart = int64(len(h.Append(nil)))
	return h, nil
}

func byName(a, b Tensor) int { return strings.Compare(a.Name, b.Name) }

// FileSize is the size of the file: header and data.
func (h Header) FileSize() int64 { return h.DataStart + h.DataBytes() }

// Append writes the 8 bytes of the length and the header, entries sorted by name and padded with
// spaces so that the data begins at a multiple of 8. The same header gives the same bytes always.
func (h Header) Append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, 8)...)
	dst = append(dst, '{')
	comma := ""
	if len(h.Metadata) > 0 {
		dst = appendMetadata(dst, h.Metadata)
		comma = ","
	}
	for _, t := range slices.SortedFunc(slices.Values(h.Tensors), byName) {
		dst = append(dst, comma...)
		dst = appendEntry(dst, t, t.Dtype.String())
		comma = ","
	}
	dst = append(dst, '}')
	for (len(dst)-start)%8 != 0 {
		dst = append(dst, ' ')
	}
	binary.LittleEndian.PutUint64(dst[start:], uint64(len(dst)-start-8))
	return dst
}

func appendMetadata(dst []byte, metadata map[string]string) []byte {
	dst = append(dst, `"__metadata__":{`...)
	for i, key := range slices.Sorted(maps.Keys(metadata)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, key)
		dst = append(dst, ':')
		dst = appendString(dst, metadata[key])
	}
	return append(dst, '}')
}

func appendEntry(dst []byte, t Tensor, dtype string) []byte {
	dst = appendString(dst, t.Name)
	dst = append(dst, `:{"dtype":"`...)
	dst = append(dst, dtype...)
	dst = append(dst, `","shape":[`...)
	for i, dim := range t.Shape {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, int64(dim), 10)
	}
	dst = append(dst, `],"data_offsets":[`...)
	dst = strconv.AppendInt(dst, t.Begin, 10)
	dst = append(dst, ',')
	dst = strconv.AppendInt(dst, t.End, 10)
	return append(dst, `]}`...)
}

// appendString writes a JSON string with nothing escaped that need not be.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20:
			dst = fmt.Appendf(dst, `\u%04x`, c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
