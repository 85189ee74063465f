package source

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/manifest"
	"qimport/quant"
)

// stored is a build as a store has it: one blob an array group, under its digest.
type stored struct {
	dir    string
	layers []manifest.Layer
}

func (s *stored) path(d manifest.Digest) string { return filepath.Join(s.dir, d.FileName()) }

func (s *stored) add(t *testing.T, mediaType, name string, content []byte) {
	t.Helper()
	d := manifest.DigestOf(content)
	if err := os.WriteFile(s.path(d), content, 0o644); err != nil {
		t.Fatal(err)
	}
	s.layers = append(s.layers, manifest.Layer{MediaType: mediaType, Digest: d, Size: int64(len(content)), Name: name})
}

// store writes a build's arrays, each in a blob of its own but for those that packed names: those
// take the arrays "name", "name.scale" … together, with that metadata.
func store(t *testing.T, b *build, packed map[string]map[string]string) *stored {
	t.Helper()
	s := &stored{dir: t.TempDir()}
	for _, name := range slices.Sorted(maps.Keys(b.arrays)) {
		if isPart := func(p string) bool { return strings.HasPrefix(name, p+".") }; slices.ContainsFunc(slices.Collect(maps.Keys(packed)), isPart) {
			continue
		}
		group := []string{name}
		for other := range b.arrays {
			if packed[name] != nil && strings.HasPrefix(other, name+".") {
				group = append(group, other)
			}
		}
		s.add(t, manifest.MediaTypeTensor, name, b.blob(t, packed[name], group))
	}
	s.add(t, manifest.MediaTypeJSON, "config.json", b.configJSON())
	for name, content := range b.files {
		s.add(t, manifest.MediaTypeJSON, name, []byte(content))
	}
	s.add(t, manifest.MediaTypeLicense, "", []byte("a license"))
	return s
}

// pack replaces a tensor by its stored form.
func (b *build) pack(name string, f quant.Format) {
	l, err := f.Layout(b.arrays[name].shape, quant.BF16)
	if err != nil {
		panic(err)
	}
	b.arrays[name] = newArray(l.Weight.Dtype, l.Weight.Shape...)
	b.arrays[name+".scale"] = newArray(l.Scales.Dtype, l.Scales.Shape...)
	if f.Mode == quant.Affine {
		b.arrays[name+".bias"] = newArray(l.Biases.Dtype, l.Biases.Shape...)
	}
}

const storedQ = "model.language_model.layers.1.self_attn.q_proj.weight"

func TestOpenStored(t *testing.T) {
	for _, f := range mlxFormats() {
		t.Run(f.String(), func(t *testing.T) {
			for name, metadata := range map[string]map[string]string{
				"blob-wide":    BlobMetadata(f),
				"upper case":   {"quant_type": strings.ToUpper(QuantType(f)), "group_size": fmt.Sprint(f.GroupSize)},
				"for a tensor": {"quant_type": "int8", "group_size": "7", storedQ + ".quant_type": QuantType(f), storedQ + ".group_size": fmt.Sprint(f.GroupSize)},
				"none":         {"other": "x"},
			} {
				b := newBuild(t, arch.Qwen35, release)
				b.pack(storedQ, f)
				s := openStore(t, store(t, b, map[string]map[string]string{storedQ: metadata}))
				if got, _ := s.Inventory().Tensor(storedQ); got.Format != f || !slices.Equal(got.Shape, []int{256, 128}) {
					t.Errorf("metadata %s: %s %v", name, got.Format, got.Shape)
				}
				if notes := len(s.Inventory().Notes); (notes > 0) != (name == "none") {
					t.Errorf("metadata %s: notes %q", name, s.Inventory().Notes)
				}
			}
		})
	}
}

func openStore(t *testing.T, st *stored) *Source {
	t.Helper()
	s, err := OpenStored(manifest.New(manifest.Layer{}, st.layers), st.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, name := range s.Names() {
		q, err := s.Load(name)
		if err == nil {
			err = q.Validate()
		}
		if err != nil {
			t.Errorf("tensor %s: %v", name, err)
		}
	}
	return s
}

func TestOpenStoredFiles(t *testing.T) {
	s := openStore(t, store(t, newBuild(t, arch.Qwen35, release), nil))
	want := []string{"chat_template.jinja", "config.json", "license", "tokenizer.json", "tokenizer_config.json"}
	if !slices.Equal(s.Files(), want) {
		t.Errorf("files %q, want %q", s.Files(), want)
	}
	if b, err := s.File("license"); err != nil || string(b) != "a license" {
		t.Errorf("license %q, %v", b, err)
	}
	if _, err := s.File("generation_config.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// A layer's own bias ends in .bias too: only a scale makes that an array of the weight.
func TestOpenStoredKeepsBiases(t *testing.T) {
	b := newBuild(t, arch.Qwen35, release)
	b.text["attention_bias"] = true
	p := "model.language_model.layers.1.self_attn."
	for name, rows := range map[string]int{"q": 256, "k": 64, "v": 64, "o": 128} {
		b.arrays[p+name+"_proj.bias"] = newArray(quant.BF16, rows)
	}
	b.arrays[p+"q_proj.weight.global_scale"] = newArray(quant.F32, 1)
	fill(b.arrays[p+"q_proj.weight.global_scale"], func(int) float32 { return 0.5 })
	b.pack(storedQ, quant.FormatNVFP4)
	s := openStore(t, store(t, b, map[string]map[string]string{storedQ: {"quant_type": "nvfp4"}})) // as ModelOpt imports have it
	if got, ok := s.Inventory().Tensor(p + "q_proj.bias"); !ok || got.Role != arch.Bias {
		t.Errorf("q_proj.bias is %v, %t", got.Role, ok)
	}
	if q, err := s.Load(storedQ); err != nil || !slices.Equal(q.Global, []float32{0.5}) {
		t.Errorf("global scale %v, %v", q.Global, err)
	}
}

func TestOpenStoredRefuses(t *testing.T) {
	for _, c := range []struct {
		name     string
		metadata map[string]string
		change   func(t *testing.T, b *build)
		damage   func(t *testing.T, s *stored)
		want     []string
	}{
		{"type that lies", map[string]string{"quant_type": "int8", "group_size": "64"}, nil, nil, []string{storedQ, "int8", "would fit nvfp4"}},
		{"type unknown", map[string]string{"quant_type": "q6_k"}, nil, nil, []string{storedQ, "q6_k"}},
		{"group that MLX has not", map[string]string{"quant_type": "int4", "group_size": "16"}, nil, nil, []string{storedQ, "int4", "16"}},
		{"group no number", map[string]string{"quant_type": "int4", "group_size": "x"}, nil, nil, []string{storedQ, `"x"`}},
		{"scale missing", nil, func(t *testing.T, b *build) { delete(b.arrays, storedQ+".scale") }, nil, []string{storedQ, "U32", "scales are missing"}},
		{"global scale without a scale", nil, func(t *testing.T, b *build) {
			b.arrays[storedQ] = newArray(quant.BF16, 256, 128)
			delete(b.arrays, storedQ+".scale")
			b.arrays[storedQ+".global_scale"] = newArray(quant.F32, 1)
		}, nil, []string{storedQ + ".global_scale"}},
		{"two global scales", map[string]string{"quant_type": "nvfp4"}, func(t *testing.T, b *build) {
			b.arrays[storedQ+".global_scale"] = newArray(quant.F32, 1)
			b.arrays[storedQ+"_scale_2"] = newArray(quant.F32, 1)
		}, nil, []string{storedQ + ".global_scale", storedQ + "_scale_2"}},
		{"global scale of three", map[string]string{"quant_type": "nvfp4"}, func(t *testing.T, b *build) {
			b.arrays[storedQ+".global_scale"] = newArray(quant.F32, 3)
		}, nil, []string{storedQ + ".global_scale", "F32 [3]"}},
		{"tensor missing", map[string]string{"quant_type": "nvfp4"}, func(t *testing.T, b *build) { delete(b.arrays, "lm_head.weight") }, nil, []string{"lm_head.weight is in no file"}},
		{"blob missing", map[string]string{"quant_type": "nvfp4"}, nil, func(t *testing.T, s *stored) { os.Remove(s.path(s.layers[0].Digest)) }, []string{"blob of lm_head.weight"}},
		{"blob cut short", map[string]string{"quant_type": "nvfp4"}, nil, func(t *testing.T, s *stored) { truncate(t, s.path(s.layers[0].Digest)) }, []string{"blob of lm_head.weight", "cut short"}},
		{"blob of another size", map[string]string{"quant_type": "nvfp4"}, nil, func(t *testing.T, s *stored) { s.layers[0].Size++ }, []string{"blob of lm_head.weight", "the manifest says"}},
		{"tensor in two blobs", map[string]string{"quant_type": "nvfp4"}, nil, func(t *testing.T, s *stored) {
			b := newBuild(t, arch.Qwen35, release)
			s.add(t, manifest.MediaTypeTensor, "again", b.blob(t, map[string]string{"a": "b"}, []string{"lm_head.weight"}))
		}, []string{"lm_head.weight", "both"}},
		{"no config", map[string]string{"quant_type": "nvfp4"}, nil, func(t *testing.T, s *stored) {
			s.layers = slices.DeleteFunc(s.layers, func(l manifest.Layer) bool { return l.Name == "config.json" })
		}, []string{"config.json"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBuild(t, arch.Qwen35, release)
			b.pack(storedQ, quant.FormatNVFP4)
			if c.change != nil {
				c.change(t, b)
			}
			metadata := map[string]string{"other": "x"}
			maps.Copy(metadata, c.metadata)
			st := store(t, b, map[string]map[string]string{storedQ: metadata})
			if c.damage != nil {
				c.damage(t, st)
			}
			_, err := OpenStored(manifest.New(manifest.Layer{}, st.layers), st.path)
			if !errors.Is(err, ErrSource) {
				t.Fatalf("got %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

// A group's blob holds several tensors; experts stacked in a store are whole.
func TestOpenStoredExpertGroup(t *testing.T) {
	b := newBuild(t, arch.Qwen35MoE, release)
	group := "model.language_model.layers.0.mlp.experts"
	for _, proj := range []string{"gate", "up", "down"} {
		name := group + "." + proj + "_proj.weight"
		b.arrays[name] = newArray(quant.BF16, 4, 128, 128)
		b.pack(name, quant.FormatNVFP4)
	}
	delete(b.arrays, group+".gate_up_proj")
	delete(b.arrays, group+".down_proj")
	b.arrays[group] = newArray(quant.BF16, 1) // names the blob; not a tensor of the model
	s := openStore(t, store(t, b, map[string]map[string]string{group: BlobMetadata(quant.FormatNVFP4)}))
	got, ok := s.Inventory().Tensor(group + ".up_proj.weight")
	if !ok || got.Format != quant.FormatNVFP4 || got.Stacked || !slices.Equal(got.Shape, []int{4, 128, 128}) {
		t.Errorf("got %+v", got)
	}
}
