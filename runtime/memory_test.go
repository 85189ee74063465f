package runtime_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/convert/safetensors"
	"qimport/quant"
	"qimport/runtime"
	"qimport/runtime/layer"
	"qimport/runtime/mlx"
)

// unread is a checkpoint whose weights cannot be read, only what they are.
type unread struct{ runtime.Weights }

func (u unread) Pieces(name string) ([]quant.Tensor, error) {
	pieces, err := u.Weights.Pieces(name)
	for i := range pieces {
		pieces[i].Data, pieces[i].Scales, pieces[i].Biases = nil, nil, nil
	}
	return pieces, err
}

// TestTooLarge refuses a model by its sizes alone, with the numbers.
func TestTooLarge(t *testing.T) {
	w := unread{openDir(t, "../testdata/qwen3.5-moe-4bit")}
	_, err := runtime.Load(t.Context(), w, runtime.Options{Device: mlx.CPU, Compute: runtime.F32, Memory: 1e-7})
	if errors.Is(err, mlx.ErrNoMLX) {
		t.Skip(err)
	}
	if !errors.Is(err, runtime.ErrTooLarge) {
		t.Fatalf("got %v", err)
	}
	for _, words := range []string{"as f32", "--memory"} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%q does not say %q", err, words)
		}
	}
	if n := mlx.LiveArrays(); n != 0 {
		t.Errorf("%d arrays are alive", n)
	}
}

// TestUnreadable fails while the arrays are filled, and leaves none of them.
func TestUnreadable(t *testing.T) {
	if _, err := runtime.Load(t.Context(), unread{openDir(t, "../testdata/qwen3.5-moe-4bit")}, runtime.Options{Device: mlx.CPU}); err == nil {
		t.Error("weights without bytes were loaded")
	}
	if n := mlx.LiveArrays(); n != 0 {
		t.Errorf("%d arrays are alive", n)
	}
}

// TestPlacement: on a CPU weights are used where they lie, unless something else is asked for, and
// nearly nothing is held.
func TestPlacement(t *testing.T) {
	w := openDir(t, "../testdata/qwen3.5-moe-4bit")
	held := map[runtime.Compute]int64{}
	for compute, want := range map[runtime.Compute]layer.Mode{
		runtime.Auto: layer.Quantized, runtime.Quantized: layer.Quantized, runtime.F32: layer.F32, runtime.BF16: layer.BF16,
	} {
		p := load(t, w, runtime.Options{Device: mlx.CPU, Compute: compute}).Placement
		held[compute] = p.HeldBytes()
		if p.Mode != want || p.LimitBytes != p.TotalBytes/2 || (want == layer.Quantized) != strings.Contains(p.String(), "where they lie") {
			t.Errorf("%s: %s", compute, p)
		}
	}
	if held[runtime.Auto] != held[runtime.Quantized] || 20*held[runtime.Auto] > held[runtime.BF16] || held[runtime.BF16] >= held[runtime.F32] {
		t.Errorf("held bytes are %v", held)
	}
}

// TestPlacementOfTower: the weights of a tower are counted before a picture comes, and those of one that cannot
// be run are not.
func TestPlacementOfTower(t *testing.T) {
	dir := towerDirs(t)[0]
	b, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	h, err := safetensors.ParseHeader(b, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	tower := int64(0)
	for _, tensor := range h.Tensors {
		if strings.Contains(tensor.Name, "visual.") {
			tower += 4 * int64(quant.Elements(tensor.Shape))
		}
	}
	whole := load(t, openDir(t, dir), runtime.Options{Device: mlx.CPU, Compute: runtime.F32}).Placement.WeightBytes
	blind := load(t, withoutVision{openDir(t, dir)}, runtime.Options{Device: mlx.CPU, Compute: runtime.F32}).Placement.WeightBytes
	if tower == 0 || whole-blind != tower {
		t.Errorf("%d bytes with the tower, %d without: it has %d", whole, blind, tower)
	}
}

// withoutVision is a checkpoint whose config says nothing of its tower.
type withoutVision struct{ runtime.Weights }

func (w withoutVision) File(name string) ([]byte, error) {
	b, err := w.Weights.File(name)
	if name != "config.json" || err != nil {
		return b, err
	}
	var config map[string]any
	if err := json.Unmarshal(b, &config); err != nil {
		return nil, err
	}
	delete(config, "vision_config")
	return json.Marshal(config)
}

func TestOptionsRefused(t *testing.T) {
	w := openDir(t, "../testdata/qwen3.5-bf16")
	for _, o := range []runtime.Options{{Memory: -1}, {Memory: 1.1}, {StateDtype: quant.F16}, {DecayDtype: quant.U8}} {
		if m, err := runtime.Load(t.Context(), w, o); err == nil {
			m.Close()
			t.Errorf("%+v was accepted", o)
		}
	}
}

// TestCaches: what is said of caches beforehand is what they take, the small conv states and the last decays
// aside.
func TestCaches(t *testing.T) {
	for _, tt := range []struct {
		name    string
		compute runtime.Compute
	}{{"qwen3.5-moe-4bit", runtime.Quantized}, {"qwen3.5-bf16", runtime.F32}, {"qwen3.5-bf16", runtime.BF16}} {
		m := load(t, openDir(t, "../testdata/"+tt.name), runtime.Options{Device: mlx.CPU, Compute: tt.compute})
		x := m.NewSession()
		before := mlx.ReadMemory().Active
		for _, n := range []int{5, 200, 600} {
			if _, err := x.Feed(t.Context(), someTokens(n)); err != nil {
				t.Fatal(err)
			}
			took, said := mlx.ReadMemory().Active-before, m.CacheBytes(1, x.Len())
			if took < said || took > said+said/4 {
				t.Errorf("%s in %s: the caches of %d tokens take %d bytes, said were %d", tt.name, tt.compute, x.Len(), took, said)
			}
		}
		x.Close()
	}
}

// TestNoRoom: a text whose caches would take more than arrays may is refused before any of it is read; a
// shorter one is read.
func TestNoRoom(t *testing.T) {
	w := openDir(t, "../testdata/qwen3.5-moe-4bit")
	p := load(t, w, runtime.Options{Device: mlx.CPU}).Placement
	share := float64(mlx.ReadMemory().Active+load(t, w, runtime.Options{Device: mlx.CPU}).CacheBytes(1, 512)) / float64(p.TotalBytes)
	m := load(t, w, runtime.Options{Device: mlx.CPU, Memory: 1.5 * share})
	x := m.NewSession()
	defer x.Close()
	_, err := x.Feed(t.Context(), someTokens(4000))
	if !errors.Is(err, runtime.ErrTooLarge) || !strings.Contains(err.Error(), "read 4000 tokens after 0") || !strings.Contains(err.Error(), "--memory") {
		t.Errorf("4000 tokens: %v", err)
	}
	if _, err := x.Feed(t.Context(), someTokens(20)); err != nil {
		t.Errorf("20 tokens after that: %v", err)
	}
	long := runtime.GenerateOptions{Tokens: someTokens(3000), MaxTokens: 1}
	for _, answer := range m.GenerateBatch(t.Context(), []runtime.GenerateOptions{long, long}) {
		if !errors.Is(answer.Err, runtime.ErrTooLarge) {
			t.Errorf("two of 3000 tokens: %v", answer.Err)
		}
	}
}
