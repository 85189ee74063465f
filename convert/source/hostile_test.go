package source

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestHostileCheckpoints: what a checkpoint claims costs seconds, and memory in proportion to its
// files, before it is refused.
func TestHostileCheckpoints(t *testing.T) {
	if testing.Short() {
		t.Skip("headers of tens of megabytes")
	}
	config, err := os.ReadFile("../../testdata/qwen3.5-moe-4bit/config.json")
	if err != nil {
		t.Fatal(err)
	}
	many := strings.Replace(string(config), `"num_experts": 8`, `"num_experts": 16384`, 1)
	if many == string(config) {
		t.Fatal("the config has other experts")
	}
	empty := func(format string) func(i int) string {
		return func(i int) string {
			return fmt.Sprintf(`"`+format+`":{"dtype":"BF16","shape":[0,64],"data_offsets":[0,0]}`, i)
		}
	}
	for _, c := range []struct {
		name    string
		config  string
		tensors int
		entry   func(i int) string
		want    string
	}{
		{"a million tensors", string(config), 1_000_000, empty("t%d"), "there are 1000000 tensors"},
		{"one expert of 16 thousand", many, 1, empty("model.language_model.layers.0.mlp.experts.%d.up_proj.weight"), "is missing: the config has 16384 experts"},
		{"the last expert of 16 thousand", many, 1, empty("model.language_model.layers.0.mlp.experts.1638%d.up_proj.weight"), "is missing"},
		{"half a million of 16 thousand experts", many, 500_000, empty("model.language_model.layers.0.mlp.experts.%d.up_proj.weight"), "the config has only 16384 experts"},
		{"one tensor a layer", string(config), 20_000, empty("model.language_model.layers.%d.input_layernorm.weight"), "shape"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			var text strings.Builder
			for i := range c.tensors {
				text.WriteString(", " + c.entry(i))
			}
			body := "{" + strings.TrimPrefix(text.String(), ",") + "}"
			b := append(binary.LittleEndian.AppendUint64(nil, uint64(len(body))), body...)
			err := errors.Join(os.WriteFile(filepath.Join(dir, "model.safetensors"), b, 0o644),
				os.WriteFile(filepath.Join(dir, "config.json"), []byte(c.config), 0o644))
			if err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err = OpenDir(dir)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%.300v", err)
			}
			made := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d tensors in %d MB: %.1f s, %d MB made on the way", c.tensors, len(b)>>20, took.Seconds(), made>>20)
			if made > 64<<20+64*uint64(len(b)) || took > time.Minute {
				t.Errorf("%v and %d bytes for a header of %d", took, made, len(b))
			}
		})
	}
}
