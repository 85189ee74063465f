package safetensors

import (
	"errors"
	"testing"
)

// FuzzParseHeader: nothing panics, every rejection is ErrBadHeader, and what is accepted can be
// written back, read by the library and read again.
func FuzzParseHeader(f *testing.F) {
	f.Add(file(`{}`, 0))
	f.Add(file(`{"__metadata__":null,"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, 4))
	f.Add(file(`{"__metadata__":{"a":"b"},"a":{"dtype":"F8_E4M3","shape":[0,5],"data_offsets":[0,0]},"\u0001\ud83d\ude42":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12],"x":[{}]}}  `, 12))
	f.Add(file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"C64","shape":[2],"data_offsets":[1,17]}}`, 17))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b, int64(len(b)))
		if err != nil {
			if !errors.Is(err, ErrBadHeader) {
				t.Fatalf("rejected without saying so: %v", err)
			}
			return
		}
		written := h.Append(nil)
		again, err := ParseHeader(written, int64(len(written))+h.DataBytes())
		if err != nil || !h.Equal(again) {
			t.Fatalf("accepted a header it cannot write back: %v\n%v\n%v", err, h, again)
		}
		views, err := bridge(h, b[h.DataStart:])
		if err != nil || len(views) != len(h.Tensors) {
			t.Fatalf("accepted a header that the library does not read: %v", err)
		}
	})
}
