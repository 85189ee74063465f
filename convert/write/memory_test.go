package write

import (
	"bytes"
	"context"
	"encoding/binary"
	"io/fs"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/convert/plan"
	"qimport/convert/safetensors"
	"qimport/convert/source"
	"qimport/manifest"
	"qimport/quant"
)

// memory is a source whose tensors are made by a test.
type memory struct {
	tensors map[string][]quant.Tensor // by name, one a piece
	files   map[string][]byte
	fuse    func(i, from int, values []float32)
}

func (m memory) Fuse(_ source.Tensor, i, from int, values []float32) error {
	m.fuse(i, from, values)
	return nil
}

func (m memory) LoadPiece(t source.Tensor, i int) (quant.Tensor, error) {
	return m.tensors[t.Name][i], nil
}
func (m memory) Guard(f func() error) error { return f() }
func (m memory) Release([]byte)             {}
func (m memory) Unchanged() error           { return nil }

func (m memory) File(name string) ([]byte, error) {
	if b, ok := m.files[name]; ok {
		return b, nil
	}
	return nil, fs.ErrNotExist
}

// inventory describes the tensors of a memory, as files of a checkpoint would. Shard 0 is a file
// that stands for the identity of all.
func (m memory) inventory(t *testing.T) source.Inventory {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := os.WriteFile(path, []byte("identity only"), 0o644); err != nil {
		t.Fatal(err)
	}
	inv := source.Inventory{Origin: "memory", Shards: []source.Shard{{Name: "model.safetensors", Path: path, Size: 13}}, Files: []string{"config.json"}}
	offset := int64(0)
	for _, name := range slices.Sorted(maps.Keys(m.tensors)) {
		pieces := m.tensors[name]
		tensor := source.Tensor{Name: name, Shape: pieces[0].Shape, Format: pieces[0].Format, ScaleDtype: pieces[0].ScaleDtype, Role: arch.Linear}
		if strings.Contains(name, ".experts.") {
			tensor.Role = arch.Expert
		}
		if len(pieces) > 1 {
			tensor.Stacked = true
			tensor.Shape = append([]int{len(pieces)}, pieces[0].Shape...)
		}
		if len(pieces[0].Global) > 0 {
			tensor.Global = source.GlobalFactor
		}
		for _, p := range pieces {
			n := int64(len(p.Data) + len(p.Scales) + len(p.Biases))
			tensor.Pieces = append(tensor.Pieces, source.Piece{Weight: source.Part{Name: name, Dtype: quant.U8, Offset: offset, Bytes: n}})
			offset += n
		}
		inv.Tensors = append(inv.Tensors, tensor)
	}
	return inv
}

// floats makes a plain tensor of seeded values near those of trained weights.
func floats(seed uint64, d quant.Dtype, shape ...int) quant.Tensor {
	r := rand.New(rand.NewPCG(seed, 0))
	values := make([]float32, quant.Elements(shape))
	for i := range values {
		values[i] = float32(r.NormFloat64() * 0.05)
	}
	t := quant.Tensor{Shape: shape, Format: quant.PlainFormat(d), Data: make([]byte, len(values)*d.Size())}
	if err := quant.FromFloat32(t.Data, d, values); err != nil {
		panic(err)
	}
	return t
}

// quantized makes a tensor of format f out of a plain one.
func quantized(f quant.Format, plain quant.Tensor) quant.Tensor {
	w, s, b := f.PartSizes(quant.Elements(plain.Shape), plain.Format.Dtype)
	t := quant.Tensor{Shape: plain.Shape, Format: f, Data: make([]byte, w), Scales: make([]byte, s), Biases: make([]byte, b)}
	if f.Mode == quant.Affine {
		t.ScaleDtype = plain.Format.Dtype
	}
	if err := quant.Encode(f, quant.Packed{Weight: t.Data, Scales: t.Scales, Biases: t.Biases}, quant.Values{Data: plain.Data, Dtype: plain.Format.Dtype}, quant.Options{}); err != nil {
		panic(err)
	}
	return t
}

// fp8 makes an FP8 tensor with 128x128 blocks whose scales are these values, over and over.
func fp8(seed uint64, rows, cols int, scales ...float32) quant.Tensor {
	r := rand.New(rand.NewPCG(seed, 8))
	t := quant.Tensor{Shape: []int{rows, cols}, Format: quant.Format{Mode: quant.FP8, Bits: 8, BlockRows: 128, BlockCols: 128}, ScaleDtype: quant.F32}
	for range rows * cols {
		t.Data = append(t.Data, byte(r.IntN(0x7f))|byte(r.IntN(2))<<7)
	}
	for i := range (rows + 127) / 128 * ((cols + 127) / 128) {
		t.Scales = binary.LittleEndian.AppendUint32(t.Scales, math.Float32bits(scales[i%len(scales)]))
	}
	return t
}

// written is what a plan makes of a memory: the store, the stage and the manifest.
type written struct {
	stage    *manifest.Stage
	manifest manifest.Manifest
	stats    Stats
}

// write carries a plan out into the staging folder of a store.
func write(t *testing.T, plan plan.Plan, src Weights, root string, opts Options) written {
	t.Helper()
	stage := openStage(t, plan, root)
	m, stats, err := Blobs(context.Background(), plan, src, stage, opts)
	if err != nil {
		t.Fatal(err)
	}
	return written{stage, m, stats}
}

func openStage(t *testing.T, plan plan.Plan, root string) *manifest.Stage {
	t.Helper()
	store, err := manifest.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	fingerprint, err := Fingerprint(plan)
	if err != nil {
		t.Fatal(err)
	}
	stage, err := store.Stage(fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stage.Keep() })
	return stage
}

// arrays reads the arrays of a blob, by name.
func (w written) arrays(t *testing.T, name string) (map[string][]byte, safetensors.Header) {
	t.Helper()
	for _, l := range w.manifest.Layers {
		if l.Name != name || l.MediaType != manifest.MediaTypeTensor {
			continue
		}
		content, err := os.ReadFile(w.stage.Path(l.Digest))
		if err != nil {
			t.Fatal(err)
		}
		h, err := safetensors.ParseHeader(content, int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		out := map[string][]byte{}
		for _, a := range h.Tensors {
			out[a.Name] = content[h.DataStart+a.Begin : h.DataStart+a.End]
		}
		return out, h
	}
	t.Fatalf("no blob %s", name)
	return nil, safetensors.Header{}
}

func checkArrays(t *testing.T, got, want map[string][]byte) {
	t.Helper()
	for name, w := range want {
		if !bytes.Equal(got[name], w) {
			t.Errorf("array %s differs: %d bytes, want %d", name, len(got[name]), len(w))
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d arrays, want %d", len(got), len(want))
	}
}

// mixedModel is a source in which every kind of work occurs, some of it cut into chunks.
func mixedModel() memory {
	return memory{
		tensors: map[string][]quant.Tensor{
			"lm_head.weight":                               {floats(1, quant.BF16, 3000, 512)},
			"model.embed_tokens.weight":                    {floats(2, quant.F32, 3000, 512)},
			"model.layers.0.self_attn.k_proj.weight":       {floats(3, quant.F16, 128, 512)},
			"model.layers.0.self_attn.q_proj.weight":       {quantized(quant.FormatInt4, floats(4, quant.BF16, 512, 512))},
			"model.layers.0.self_attn.o_proj.weight":       {fp8(5, 512, 512, 1, 2)},
			"model.layers.0.mlp.experts.gate_proj.weight":  {floats(6, quant.BF16, 64, 512), floats(7, quant.BF16, 64, 512)},
			"model.layers.0.mlp.experts.down_proj.weight":  {floats(8, quant.BF16, 512, 64), floats(9, quant.BF16, 512, 64)},
			"model.layers.0.mlp.switch_mlp.up_proj.weight": {floats(10, quant.BF16, 4, 300, 1024)},
		},
		files: map[string][]byte{"config.json": []byte(`{"a":1}`)},
	}
}
