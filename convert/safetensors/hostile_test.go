package safetensors

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestHostileHeaders: a header as large as one may be costs seconds, and memory in proportion.
func TestHostileHeaders(t *testing.T) {
	if testing.Short() {
		t.Skip("headers of 100 MB")
	}
	for _, c := range []struct {
		name  string
		entry func(i int) string
		want  string // part of the error; "" for none
	}{
		{"as many tensors as fit, all empty", func(i int) string { return fmt.Sprintf(`"t%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`, i) }, "more than 1048576 tensors"},
		{"names of 512 bytes", func(i int) string {
			return fmt.Sprintf(`"%0512d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`, i)
		}, ""},
		{"fields that mean nothing", func(i int) string {
			return fmt.Sprintf(`"t%d":{"x":[[[[[[{},{}]]]]]],"y":"%064d","dtype":"U8","shape":[0],"data_offsets":[0,0]}`, i, i)
		}, ""},
		{"one field of many", func(i int) string {
			return fmt.Sprintf(`"t%d":{"shape":[%s0],"dtype":"U8","data_offsets":[0,0]}`, i, strings.Repeat("1,", 1<<20))
		}, "more than 16 dimensions"},
		{"a name as long as the header", func(i int) string {
			return fmt.Sprintf(`"%s%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`, strings.Repeat("n", 40<<20), i)
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var text strings.Builder
			text.WriteByte('{')
			for i := 0; ; i++ {
				entry := c.entry(i)
				if text.Len()+len(entry)+2 > maxHeader {
					break
				}
				if i > 0 {
					text.WriteByte(',')
				}
				text.WriteString(entry)
			}
			text.WriteByte('}')
			b := file(text.String(), 0)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			h, err := ParseHeader(b, int64(len(b)))
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrBadHeader) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%.300v", err)
			}
			made := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d MB, %d tensors: %.1f s, %d MB made on the way", len(b)>>20, len(h.Tensors), took.Seconds(), made>>20)
			if made > 12*uint64(len(b)) || took > time.Minute {
				t.Errorf("%v and %d bytes for a header of %d", took, made, len(b))
			}
		})
	}
}
