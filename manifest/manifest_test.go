package manifest

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// ollamaManifest was written by a real `ollama create --experimental -q nvfp4`.
const ollamaManifest = "testdata/ollama-manifest.json"

// ollamaConfig is the config blob which that manifest names.
const ollamaConfig = `{"model_format":"safetensors","model_family":"","model_families":null,"model_type":"","file_type":"nvfp4","renderer":"qwen3.5","parser":"qwen3.5","requires":"0.19.0","capabilities":["completion","vision","tools","thinking"],"architecture":"","os":""}`

func TestManifestBytesAreOllamas(t *testing.T) {
	want, err := os.ReadFile(ollamaManifest)
	if err != nil {
		t.Fatal(err)
	}
	read, err := Parse(want)
	if err != nil {
		t.Fatal(err)
	}
	if got := New(read.Config, read.Layers).Encode(); !bytes.Equal(got, want) {
		t.Errorf("written back it differs:\n%s", cmp.Diff(string(want), string(got)))
	}
	if read.Digest() != DigestOf(want) {
		t.Error("its digest is not that of the file")
	}
}

func TestConfigBytesAreOllamas(t *testing.T) {
	c := Config{
		ModelFormat:  "safetensors",
		FileType:     "nvfp4",
		Renderer:     "qwen3.5",
		Parser:       "qwen3.5",
		Requires:     "0.19.0",
		Capabilities: []string{"completion", "vision", "tools", "thinking"},
	}
	if got := string(c.Encode()); got != ollamaConfig {
		t.Errorf("got  %s\nwant %s", got, ollamaConfig)
	}
	content, err := os.ReadFile(ollamaManifest)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(content)
	if err != nil {
		t.Fatal(err)
	}
	if d := DigestOf(c.Encode()); d != m.Config.Digest {
		t.Errorf("the manifest names %s, ours is %s", m.Config.Digest, d)
	}
	read, err := ParseConfig([]byte(ollamaConfig))
	if diff := cmp.Diff(c, read); diff != "" || err != nil {
		t.Errorf("read back: %v\n%s", err, diff)
	}
	c.Draft = &Draft{"safetensors", "X", "draft.", "draft/config.json"}
	if got := string(c.Encode()); !strings.Contains(got, `"thinking"],"draft":{"model_format":"safetensors","architecture":"X","tensor_prefix":"draft.","config":"draft/config.json"},"architecture"`) {
		t.Errorf("the draft is not before the architecture: %s", got)
	}
}

func TestParseRefuses(t *testing.T) {
	digest := DigestOf(nil).String()
	layer := func(digest, size string) string {
		return `{"schemaVersion":2,"layers":[{"digest":"` + digest + `","size":` + size + `}]}`
	}
	for name, text := range map[string]string{
		"empty":            "",
		"cut off":          layer(digest, "1")[:40],
		"not an object":    `[]`,
		"two objects":      layer(digest, "1") + `{}`,
		"schema 1":         `{"schemaVersion":1}`,
		"no schema":        `{}`,
		"escaping digest":  layer("sha256:../../../../etc/passwd", "1"),
		"no digest":        layer("", "1"),
		"negative size":    layer(digest, "-1"),
		"fractional size":  layer(digest, "1.5"),
		"too large a size": layer(digest, "9223372036854775808"),
		"negative config":  `{"schemaVersion":2,"config":{"size":-1}}`,
		"too many layers":  `{"schemaVersion":2,"layers":[` + strings.Repeat(`{"digest":"`+digest+`"},`, maxLayers) + `{"digest":"` + digest + `"}]}`,
		"too many bytes":   `{"schemaVersion":2,"layers":[` + strings.Repeat(`{"digest":"`+digest+`","size":1125899906842624},`, 2) + `{"digest":"` + digest + `"}]}`,
		"deep":             strings.Repeat("[", 100000),
		"too long":         layer(digest, "1") + strings.Repeat(" ", MaxManifestBytes),
	} {
		if m, err := Parse([]byte(text)); !errors.Is(err, ErrBadManifest) {
			t.Errorf("%s: got %v, %v, want ErrBadManifest", name, m, err)
		}
	}
	if m, err := Parse([]byte(layer(digest, "1") + "\n\t ")); err != nil || len(m.Layers) != 1 {
		t.Errorf("trailing white space: %v", err)
	}
}

// TestLayerNames: what leads out of a folder, or deceives who reads it, is no manifest; what Ollama
// writes is one.
func TestLayerNames(t *testing.T) {
	with := func(name string) Manifest {
		return New(Layer{}, []Layer{{MediaTypeJSON, DigestOf(nil), 0, name}})
	}
	for _, name := range []string{
		"", "config.json", "model.layers.0.mlp.experts", "model.language_model.layers.0.linear_attn.A_log", "lm_head.weight",
		"draft/config.json", "draft.model.norm.weight", "text_encoder/model.layers.0.weight", "..a", "a..b", "名前.json", "a b",
	} {
		if m, err := Parse(with(name).Encode()); err != nil || m.Layers[0].Name != name {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{
		".", "..", "../victim/settings.json", "a/../../b", "a/..", "/etc/passwd", "a//b", "a/", "./a", `..\b`, `C:\b`,
		"a\nb", "a\x00b", "a\x1b[2Jb", "a\u202egnp.exe", "a\u2066b", "a\u200bb", "a\x7f", "a\u0085b", strings.Repeat("n", maxLayerName+1),
	} {
		if _, err := Parse(with(name).Encode()); !errors.Is(err, ErrBadManifest) {
			t.Errorf("%q: %v, want ErrBadManifest", name, err)
		}
		m := with("")
		m.Config.Name = name
		if err := m.Validate(); !errors.Is(err, ErrBadManifest) {
			t.Errorf("config %q: %v, want ErrBadManifest", name, err)
		}
		m = with("")
		m.Layers[0].MediaType = "x\x1b"
		if err := m.Validate(); !errors.Is(err, ErrBadManifest) {
			t.Errorf("a media type with a control character: %v", err)
		}
	}
}

func TestManifestCountsSharedBlobsOnce(t *testing.T) {
	a, b := DigestOf([]byte("a")), DigestOf([]byte("b"))
	m := New(Layer{Digest: a, Size: 3}, []Layer{{Digest: b, Size: 5}, {Digest: b, Size: 5, Name: "twin"}, {Digest: a, Size: 3}})
	if n := len(m.Blobs()); n != 2 || m.Bytes() != 8 {
		t.Errorf("%d blobs of %d bytes, want 2 of 8", n, m.Bytes())
	}
}

func FuzzParse(f *testing.F) {
	content, err := os.ReadFile(ollamaManifest)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add([]byte(`{"schemaVersion":2,"config":{"digest":""},"layers":[{"digest":"sha256-` + strings.Repeat("A", 64) + `","name":"<&>"}]}`))
	for _, name := range []string{"config.json", "draft/config.json", "../victim/settings.json", "/etc/passwd", "a\\u202eb", "model.layers.0.mlp.experts"} {
		f.Add([]byte(`{"schemaVersion":2,"config":{"digest":""},"layers":[{"mediaType":"` + MediaTypeJSON + `","digest":"` + DigestOf(nil).String() + `","size":7,"name":"` + name + `"}]}`))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			if !errors.Is(err, ErrBadManifest) {
				t.Fatalf("rejected without saying so: %v", err)
			}
			return
		}
		for _, l := range append(m.Layers, m.Config) {
			if l.Size < 0 || l.Name != "" && !filepath.IsLocal(l.Name) || strings.ContainsFunc(l.Name, unicode.IsControl) {
				t.Fatalf("accepted the layer %q of %d bytes", l.Name, l.Size)
			}
		}
		if m.Bytes() < 0 {
			t.Fatalf("it has %d bytes", m.Bytes())
		}
		again, err := Parse(m.Encode())
		if err != nil {
			t.Fatalf("accepted a manifest it cannot write back: %v", err)
		}
		if !bytes.Equal(again.Encode(), m.Encode()) {
			t.Fatalf("written back it is\n%s\nnot\n%s", again.Encode(), m.Encode())
		}
	})
}
