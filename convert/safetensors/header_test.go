package safetensors

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"qimport/quant"
)

// file is a safetensors file of that header text and that many bytes of data.
func file(text string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	return append(append(b, text...), make([]byte, data)...)
}

func TestParseHeaderAccepts(t *testing.T) {
	for _, c := range []struct {
		name, text string
		data       int
		tensors    int
	}{
		{"empty object", `{}`, 0, 0},
		{"one", `{"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}`, 12, 1},
		{"unaligned", `{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}} `, 3, 1},
		{"white space before and after", " \t{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}\n\t \r", 3, 1},
		{"null metadata, as MLX writes", `{"__metadata__":null,"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}`, 3, 1},
		{"metadata", `{"__metadata__":{"format":"mlx"},"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}`, 3, 1},
		{"scalar", `{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, 4, 1},
		{"no elements", `{"a":{"dtype":"F32","shape":[0,5],"data_offsets":[0,0]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1, 2},
		{"unknown field, nested", `{"a":{"dtype":"U8","x":{"y":[1,{"z":"}"}]},"shape":[1],"data_offsets":[0,1]}}`, 1, 1},
		{"empty name", `{"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1, 1},
		{"escaped name", `{"a\"\u0062\ud83d\ude42":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1, 1},
		{"keys out of order", `{"b":{"data_offsets":[4,8],"shape":[4],"dtype":"F8_E4M3"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 8, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := file(c.text, c.data)
			h, err := ParseHeader(b, int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			if len(h.Tensors) != c.tensors || h.DataBytes() != int64(c.data) {
				t.Fatalf("got %d tensors in %d bytes, want %d in %d", len(h.Tensors), h.DataBytes(), c.tensors, c.data)
			}
		})
	}
}

func TestParseHeaderRefuses(t *testing.T) {
	const one = `{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}`
	huge := file(one, 3)
	binary.LittleEndian.PutUint64(huge, 1<<63-1)
	long := file(one, 3)
	binary.LittleEndian.PutUint64(long, uint64(len(one)+4))
	for _, c := range []struct {
		name string
		b    []byte
		want string // part of the message
	}{
		{"nothing", nil, "0 bytes"},
		{"seven bytes", make([]byte, 7), "7 bytes"},
		{"length zero", file("", 0), "invalid JSON"},
		{"length beyond the limit", huge, "more than 100000000"},
		{"pointer of Git LFS", []byte("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"), "git lfs pull"},
		{"length beyond the file", long, "byte 0: the header claims"},
		{"truncated data", file(one, 2), `"a": ends at byte`},
		{"bytes after the last tensor", file(one, 4), "the last tensor ends at byte"},
		{"NUL padding", file(one+"\x00", 3), "invalid JSON"},
		{"junk after the object", file(one+"x", 3), "invalid JSON"},
		{"a list", file(`[]`, 0), "not an object"},
		{"duplicate tensor", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), `"a" is there twice`},
		{"duplicate after unescaping", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), `"a" is there twice`},
		{"duplicate field", file(`{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1), `"dtype" is there twice`},
		{"does not begin at 0", file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3), `"a": begins at byte`},
		{"hole", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}`, 3), `"b": begins at byte 115, what is before it ends at 114, a hole`},
		{"overlap", file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3), `"b": begins at byte 114, what is before it ends at 115, an overlap`},
		{"begin after end", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}`, 1), `tensor "a": byte`},
		{"range and shape disagree", file(`{"a":{"dtype":"BF16","shape":[3],"data_offsets":[0,3]}}`, 3), "do not hold the 6 bytes"},
		{"shape overflows", file(`{"a":{"dtype":"U8","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,0]}}`, 0), "overflows"},
		{"shape wraps to zero", file(`{"a":{"dtype":"U8","shape":[4611686018427387904,4,1],"data_offsets":[0,0]}}`, 0), "overflows"},
		{"negative dimension", file(`{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}`, 1), "-1 is no size"},
		{"fractional dimension", file(`{"a":{"dtype":"U8","shape":[2.0],"data_offsets":[0,2]}}`, 2), "2.0 is no size"},
		{"dimension with exponent", file(`{"a":{"dtype":"U8","shape":[1e1],"data_offsets":[0,10]}}`, 10), "1e1 is no size"},
		{"dimension beyond 63 bits", file(`{"a":{"dtype":"U8","shape":[0,18446744073709551615],"data_offsets":[0,0]}}`, 0), "is no size"},
		{"a nested list for a size", file(`{"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}}`, 1), "is no size"},
		{"shape null", file(`{"a":{"dtype":"U8","shape":null,"data_offsets":[0,1]}}`, 1), "not an array"},
		{"three offsets", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}}`, 1), "missing"},
		{"no dtype", file(`{"a":{"shape":[1],"data_offsets":[0,1]}}`, 1), "missing"},
		{"dtype a number", file(`{"a":{"dtype":8,"shape":[1],"data_offsets":[0,1]}}`, 1), "dtype is not a string"},
		{"unknown dtype", file(`{"a":{"dtype":"F8_E4M3FN","shape":[1],"data_offsets":[0,1]}}`, 1), "F8_E4M3FN"},
		{"entry a number", file(`{"a":1}`, 0), "the entry is not an object"},
		{"metadata of a number", file(`{"__metadata__":{"n":1}}`, 0), `__metadata__ "n" is not a string`},
		{"metadata a list", file(`{"__metadata__":[]}`, 0), "__metadata__ is not an object"},
		{"invalid UTF-8", file("{\"a\xff\":{}}", 0), "byte 11: invalid UTF-8"},
		{"lone surrogate", file(`{"\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1), "half of a surrogate pair"},
		{"low surrogate first", file(`{"\udc00\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1), "half of a surrogate pair"},
		{"too many dimensions", file(`{"a":{"dtype":"U8","shape":[0`+strings.Repeat(",1", 16)+`],"data_offsets":[0,0]}}`, 0), "more than 16 dimensions"},
		{"deep nesting", file(strings.Repeat("[", 20000)+strings.Repeat("]", 20000), 0), "invalid JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseHeader(c.b, int64(len(c.b)))
			if !errors.Is(err, ErrBadHeader) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want ErrBadHeader with %q", err, c.want)
			}
		})
	}
}

func TestTruncatedIsTold(t *testing.T) {
	b := file(`{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}`, 3)
	for cut := range len(b) {
		if _, err := ParseHeader(b[:cut], int64(cut)); !errors.Is(err, ErrTruncated) {
			t.Fatalf("cut at byte %d: %v", cut, err)
		}
	}
}

func TestAppendIsCanonical(t *testing.T) {
	h, err := New(map[string]string{"quant_type": "nvfp4", "group_size": "16"}, []Tensor{
		{Name: "x.weight.scale", Dtype: quant.U8, Shape: []int{2, 1}},
		{Name: "x.weight", Dtype: quant.U32, Shape: []int{2, 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := h.Append([]byte("before"))
	want := `{"__metadata__":{"group_size":"16","quant_type":"nvfp4"},` +
		`"x.weight":{"dtype":"U32","shape":[2,2],"data_offsets":[0,16]},` +
		`"x.weight.scale":{"dtype":"U8","shape":[2,1],"data_offsets":[16,18]}}`
	if text := strings.TrimRight(string(got[6+8:]), " "); text != want {
		t.Fatalf("got  %s\nwant %s", text, want)
	}
	if h.DataStart%8 != 0 || h.DataStart != int64(len(got)-6) || h.FileSize() != h.DataStart+18 {
		t.Fatalf("data begins at %d of a header of %d bytes, the file has %d", h.DataStart, len(got)-6, h.FileSize())
	}
}

func TestNewRefuses(t *testing.T) {
	for name, tensors := range map[string][]Tensor{
		"twice":           {{Name: "a", Dtype: quant.U8}, {Name: "a", Dtype: quant.U8}},
		"overflow":        {{Name: "a", Dtype: quant.U8, Shape: []int{1 << 62, 8}}},
		"overflow in sum": {{Name: "a", Dtype: quant.U8, Shape: []int{1<<63 - 1}}, {Name: "b", Dtype: quant.U8, Shape: []int{1<<63 - 1}}},
	} {
		if _, err := New(nil, tensors); !errors.Is(err, ErrBadHeader) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
