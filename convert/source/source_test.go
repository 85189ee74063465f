package source

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"testing"

	"qimport/arch"
	"qimport/quant"
)

// A stack of single experts is lent whole, in the order of their numbers, and piece by piece.
func TestLoadStacks(t *testing.T) {
	b := newBuild(t, arch.Qwen35MoE, release)
	b.single()
	b.config["quantization_config"] = map[string]any{"quant_method": "modelopt", "quant_algo": "NVFP4"}
	for e := range 4 {
		suffix := "layers.1.mlp.experts." + string(rune('0'+e)) + ".down_proj.weight"
		b.modelOpt(suffix)
		name := b.name(suffix)
		for i := range b.arrays[name].data {
			b.arrays[name].data[i] = byte(e)
		}
		fill(b.arrays[name+"_scale_2"], func(int) float32 { return float32(e + 1) })
	}
	s := open(t, b)
	name := "model.language_model.layers.1.mlp.experts.down_proj.weight"
	whole, err := s.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	tensor, _ := s.Inventory().Tensor(name)
	if !slices.Equal(whole.Shape, []int{4, 128, 128}) || !slices.Equal(whole.Global, []float32{1, 2, 3, 4}) || tensor.Bytes() != int64(4*(128*64+128*8+4)) {
		t.Errorf("shape %v, global scales %v, %d bytes", whole.Shape, whole.Global, tensor.Bytes())
	}
	for e := range 4 {
		one, err := s.LoadPiece(tensor, e)
		if err != nil {
			t.Fatal(err)
		}
		part := whole.Data[e*len(one.Data) : (e+1)*len(one.Data)]
		if !bytes.Equal(part, one.Data) || one.Data[0] != byte(e) || !slices.Equal(one.Shape, []int{128, 128}) {
			t.Errorf("expert %d: shape %v, first byte %d", e, one.Shape, one.Data[0])
		}
	}
}

func TestSourceForSeveralGoroutines(t *testing.T) {
	s := open(t, newBuild(t, arch.Qwen3, release))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, name := range s.Names() {
				q, err := s.Load(name)
				if err != nil || q.Format != quant.FormatBF16 {
					t.Errorf("tensor %s: %s, %v", name, q.Format, err)
				}
				s.Release(q.Data)
			}
		})
	}
	wg.Wait()
}

func TestSourceFiles(t *testing.T) {
	b := newBuild(t, arch.Qwen3, release)
	s := open(t, b)
	if want := []string{"chat_template.jinja", "config.json", "tokenizer.json", "tokenizer_config.json"}; !slices.Equal(s.Files(), want) {
		t.Errorf("files %q, want %q", s.Files(), want)
	}
	if got, err := s.File("tokenizer.json"); err != nil || string(got) != b.files["tokenizer.json"] {
		t.Errorf("tokenizer.json: %q, %v", got, err)
	}
	if _, err := s.File("generation_config.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
