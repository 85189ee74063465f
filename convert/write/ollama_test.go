package write

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"qimport/arch/files"
	"qimport/convert/converttest"
	"qimport/convert/plan"
	"qimport/convert/safetensors"
	"qimport/convert/source"
	"qimport/manifest"
)

// TestOllamaStore holds an import of ours to what a real `ollama create --experimental -q nvfp4` made
// of the same checkpoint: the same layers in the same order, the same config blob, the same arrays
// with the same types, and for what is not quantized the same blobs, bit for bit. Quantized ones
// differ in bytes: Ollama ran MLX's CPU rule there, ours is that of its GPUs.
func TestOllamaStore(t *testing.T) {
	for checkpoint, name := range map[string]string{"tiny-qwen3.5-hf": "tiny-qwen3.5-nvfp4", "tiny-qwen3.5-moe-hf": "tiny-qwen3.5-moe-nvfp4"} {
		t.Run(name, func(t *testing.T) {
			theirs, err := manifest.Open(converttest.SourceDir(t, "ollama-store"))
			if err != nil {
				t.Fatal(err)
			}
			n, err := manifest.ParseName(name)
			if err != nil {
				t.Fatal(err)
			}
			want, err := theirs.Manifest(n)
			if err != nil {
				t.Fatal(err)
			}
			src, err := source.OpenDir(converttest.SourceDir(t, checkpoint))
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			plan, err := plan.Make(t.Context(), src, converttest.RecipeOf(t, "ollama nvfp4"), plan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := write(t, plan, src, t.TempDir(), Options{})
			compareModels(t, theirs, want, got)
		})
	}
}

func compareModels(t *testing.T, theirs *manifest.Store, want manifest.Manifest, got written) {
	t.Helper()
	mine, other := readConfig(t, got.stage.Path(got.manifest.Config.Digest)), readConfig(t, theirs.Blob(want.Config.Digest))
	if !slices.Contains(other.Capabilities, "tools") || slices.Contains(mine.Capabilities, "tools") {
		t.Errorf("capabilities %v and %v: the checkpoint's template knows no tools, which only we look at", mine.Capabilities, other.Capabilities)
	}
	other.Capabilities = slices.DeleteFunc(other.Capabilities, func(c string) bool { return c == "tools" })
	if !bytes.Equal(mine.Encode(), other.Encode()) {
		t.Errorf("the config is %s, want %s", mine.Encode(), other.Encode())
	}
	layers := slices.DeleteFunc(slices.Clone(got.manifest.Layers), func(l manifest.Layer) bool { return l.Name == files.ChatTemplate })
	if len(layers) != len(want.Layers) {
		t.Fatalf("%d layers, want %d", len(layers), len(want.Layers))
	}
	same, quantized := 0, 0
	for i, w := range want.Layers {
		l := layers[i]
		if l.Name != w.Name || l.MediaType != w.MediaType {
			t.Fatalf("layer %d is %s %s, want %s %s", i, l.MediaType, l.Name, w.MediaType, w.Name)
		}
		if l == w {
			same++
			continue
		}
		mine, other := blobHeader(t, got.stage.Path(l.Digest)), blobHeader(t, theirs.Blob(w.Digest))
		if len(other.Metadata) == 0 {
			t.Errorf("%s is not quantized and differs", l.Name)
		}
		quantized++
		if !maps.Equal(mine.Metadata, other.Metadata) || describe(mine) != describe(other) {
			t.Errorf("%s:\ngot  %v %s\nwant %v %s", l.Name, mine.Metadata, describe(mine), other.Metadata, describe(other))
		}
	}
	if same == 0 || quantized == 0 {
		t.Errorf("%d layers are the same and %d quantized: this compares nothing", same, quantized)
	}
}

func readConfig(t *testing.T, path string) manifest.Config {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := manifest.ParseConfig(b)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func blobHeader(t *testing.T, path string) safetensors.Header {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := safetensors.ParseHeader(content, int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// describe lists arrays by name, whatever the order of their data.
func describe(h safetensors.Header) string {
	var lines []string
	for _, a := range h.Tensors {
		lines = append(lines, a.Name+" "+a.Dtype.String()+" "+fmt.Sprint(a.Shape))
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}
