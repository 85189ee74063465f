package verify

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"qimport/convert/plan"
	"qimport/convert/safetensors"
	"qimport/convert/source"
	"qimport/convert/write"
	"qimport/manifest"
	"qimport/quant"
	"qimport/quant/recipe"
	"qimport/runtime/mlx"
	"qimport/verify/report"
)

// The good models that tests judge and damage.
const (
	dense   = "../testdata/qwen3.5-bf16"
	mixture = "../testdata/qwen3.5-moe-4bit"
)

// needMLX skips tests that run a model where there is no MLX.
func needMLX(t *testing.T) {
	t.Helper()
	thread, err := mlx.Start(mlx.CPU)
	if errors.Is(err, mlx.ErrNoMLX) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	thread.Close()
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > tolerance {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// checkpointCopy is a checkpoint directory that a test may damage.
type checkpointCopy struct {
	t   *testing.T
	dir string
}

func copyCheckpoint(t *testing.T, from string) checkpointCopy {
	t.Helper()
	c := checkpointCopy{t, t.TempDir()}
	entries, err := os.ReadDir(from)
	c.must(err)
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(from, e.Name()))
		c.must(err)
		c.write(e.Name(), b)
	}
	return c
}

func (c checkpointCopy) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c checkpointCopy) path(name string) string { return filepath.Join(c.dir, name) }

func (c checkpointCopy) read(name string) []byte {
	c.t.Helper()
	b, err := os.ReadFile(c.path(name))
	c.must(err)
	return b
}

func (c checkpointCopy) write(name string, b []byte) {
	c.t.Helper()
	c.must(os.WriteFile(c.path(name), b, 0o644))
}

// editJSON changes a JSON object in place.
func (c checkpointCopy) editJSON(name string, edit func(map[string]any)) {
	c.t.Helper()
	var v map[string]any
	c.must(json.Unmarshal(c.read(name), &v))
	edit(v)
	b, err := json.Marshal(v)
	c.must(err)
	c.write(name, b)
}

// raw is one array of a safetensors file.
type raw struct {
	dtype quant.Dtype
	shape []int
	data  []byte
}

// editTensors gives every array of the weights to edit, and writes the file with what it leaves.
func (c checkpointCopy) editTensors(edit func(arrays map[string]raw)) {
	c.t.Helper()
	const name = "model.safetensors"
	b := c.read(name)
	h, err := safetensors.ParseHeader(b, int64(len(b)))
	c.must(err)
	arrays := map[string]raw{}
	for _, t := range h.Tensors {
		data := append([]byte(nil), b[h.DataStart+t.Begin:h.DataStart+t.End]...)
		arrays[t.Name] = raw{t.Dtype, t.Shape, data}
	}
	edit(arrays)
	var tensors []safetensors.Tensor
	for name, a := range arrays {
		tensors = append(tensors, safetensors.Tensor{Name: name, Dtype: a.dtype, Shape: a.shape})
	}
	out, err := safetensors.New(h.Metadata, tensors)
	c.must(err)
	file := out.Append(nil)
	for _, t := range out.Tensors {
		file = append(file, arrays[t.Name].data...)
	}
	c.write(name, file)
}

// editBF16 changes the values of a bf16 array.
func (a raw) editBF16(edit func([]float32)) {
	values := make([]float32, len(a.data)/2)
	for i := range values {
		values[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(a.data[2*i:])) << 16)
	}
	edit(values)
	if err := quant.FromFloat32(a.data, quant.BF16, values); err != nil {
		panic(err)
	}
}

// importInto imports a checkpoint directory into a store under temporary name "tiny".
func importInto(t *testing.T, dir string, recipe recipe.Recipe) (*manifest.Store, manifest.Name) {
	t.Helper()
	ctx := context.Background()
	source, err := source.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	plan, err := plan.Make(ctx, source, recipe, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := manifest.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	stage, err := store.Stage("test")
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := write.Blobs(ctx, plan, source, stage, write.Options{})
	if err != nil {
		t.Fatal(err)
	}
	name, err := manifest.ParseName("tiny")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stage.Publish(ctx, name, m); err != nil {
		t.Fatal(err)
	}
	return store, name
}

// quick are options that ask every smoke check as cheaply as can be.
func quick(level report.Level) Options {
	return Options{Level: level, Lengths: []int{1, 33}, Cases: DefaultCases()[:1]}
}

// judge verifies a target and shows the report when the test fails.
func judge(t *testing.T, target Target, o Options) report.Report {
	t.Helper()
	r, err := Run(context.Background(), target, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			_ = r.WriteText(t.Output())
		}
	})
	return r
}

// against opens the reference of a target.
func against(t *testing.T, target Target, dir string) Target {
	t.Helper()
	source, err := source.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close() })
	target.Against, target.Provenance.Against = source, filepath.Base(dir)
	return target
}
