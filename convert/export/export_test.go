package export

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/convert/converttest"
	"qimport/convert/encode"
	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/quant"
)

// TestExportHoldsTheModel exports every checkpoint, opens the export as a checkpoint of its own, and
// holds each tensor to its source, with what the converted form does to it done by hand.
func TestExportHoldsTheModel(t *testing.T) {
	for _, dir := range converttest.Checkpoints(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			src, err := source.OpenDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			to := filepath.Join(t.TempDir(), "out", "model")
			var last encode.Progress
			if _, err := Directory(t.Context(), src, to, Options{Progress: func(p encode.Progress) { last = p }}); err != nil {
				t.Fatal(err)
			}
			if last.Done != last.Total || last.Total == 0 {
				t.Errorf("progress ends at %d of %d", last.Done, last.Total)
			}
			out, err := source.OpenDir(to)
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			if out.Inventory().NormForm == arch.NormsRaw {
				t.Error("the export is still in release form")
			}
			for _, tensor := range out.Inventory().Tensors {
				compareExported(t, src, out, tensor)
			}
		})
	}
}

// compareExported finds the source of an exported tensor by its body name and compares values.
func compareExported(t *testing.T, src, out *source.Source, exported source.Tensor) {
	t.Helper()
	body := strings.Replace(exported.Body, ".switch_mlp.", ".experts.", 1)
	stem, first := strings.CutSuffix(body, ".experts.gate_proj.weight")
	stem2, second := strings.CutSuffix(body, ".experts.up_proj.weight")
	for _, from := range src.Inventory().Tensors {
		b := strings.Replace(from.Body, ".switch_mlp.", ".experts.", 1)
		if b != body && b+".weight" != body && !(first && b == stem+".experts.gate_up_proj") && !(second && b == stem2+".experts.gate_up_proj") {
			continue
		}
		want := loaded(t, src, from.Name)
		if strings.HasSuffix(b, "gate_up_proj") {
			want = halves(want, from.Shape, second)
		}
		inv := src.Inventory()
		switch {
		case inv.NormForm == arch.NormsRaw && arch.ZeroCentred(from.Body):
			for i := range want {
				want[i]++
			}
		case inv.Patches == source.ChannelsFirst && len(from.Shape) == 5:
			return // held to its bytes in TestWriteMovesChannels, in the other direction
		}
		got := loaded(t, out, exported.Name)
		var diff, norm float64
		for i := range want {
			d := float64(want[i]) - float64(got[i])
			diff, norm = diff+d*d, norm+float64(want[i])*float64(want[i])
		}
		if e := math.Sqrt(diff / max(norm, 1e-30)); len(got) != len(want) || e > converttest.Worst(exported.Format) {
			t.Errorf("%s (from %s): %d values, want %d, relative error %g", exported.Name, from.Name, len(got), len(want), e)
		}
		return
	}
	t.Errorf("%s has no source", exported.Name)
}

func loaded(t *testing.T, s *source.Source, name string) []float32 {
	t.Helper()
	x, err := s.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return converttest.Decoded(t, x)
}

// halves are the rows of gate, or of up, of each expert of [E, 2*I, H].
func halves(all []float32, shape []int, second bool) []float32 {
	var out []float32
	half := shape[1] / 2 * shape[2]
	for e := range shape[0] {
		from := e * 2 * half
		if second {
			from += half
		}
		out = append(out, all[from:from+half]...)
	}
	return out
}

func TestExportRefusesAFullDirectory(t *testing.T) {
	src, err := source.OpenDir("../../testdata/qwen3.5-bf16")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Directory(t.Context(), src, dir, Options{}); !errors.Is(err, ErrExists) {
		t.Errorf("says %v", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(entries) != 1 {
		t.Errorf("something is left beside the directory: %v, %v", entries, err)
	}
}

// TestExportRemovesLeftovers: of a killed export, and of none that runs; a link with such a name is not
// followed.
func TestExportRemovesLeftovers(t *testing.T) {
	parent, elsewhere := t.TempDir(), t.TempDir()
	dead, link := filepath.Join(parent, unfinishedPrefix+"1"), filepath.Join(parent, unfinishedPrefix+"2")
	for _, err := range []error{
		os.Mkdir(dead, 0o755), os.WriteFile(filepath.Join(dead, "model.safetensors"), []byte("half"), 0o644),
		os.Symlink(elsewhere, filepath.Join(dead, "away")), os.Symlink(elsewhere, link),
		os.WriteFile(filepath.Join(elsewhere, "mine"), nil, 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	running, err := newUnfinished(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer running.close()
	src, err := source.OpenDir("../../testdata/qwen3.5-bf16")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if _, err := Directory(t.Context(), src, filepath.Join(parent, "model"), Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a killed export left: %v", err)
	}
	for _, path := range []string{running.path, link, filepath.Join(elsewhere, "mine"), filepath.Join(parent, "model", "config.json")} {
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
}

// TestExportStaysInItsDirectory: whatever the files of a model are called, and whatever lies there.
func TestExportStaysInItsDirectory(t *testing.T) {
	parent := t.TempDir()
	dir, victim := filepath.Join(parent, "model"), filepath.Join(parent, "settings.json")
	for _, err := range []error{os.Mkdir(dir, 0o755), os.WriteFile(victim, []byte("mine"), 0o644), os.Symlink(victim, filepath.Join(dir, "link.json"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"../settings.json", victim, "link.json", "a/b.json", ""} {
		if err := writeFiles(dir, map[string][]byte{name: []byte("theirs")}); err == nil {
			t.Errorf("%q is written", name)
		}
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "mine" {
		t.Errorf("the file beside it holds %q, %v", b, err)
	}
}

func TestExportConfigSaysEveryPath(t *testing.T) {
	raw := `{"architectures":["A"],"big":12345678901234567890,"quantization_config":{"quant_method":"fp8"},"text_config":{"quantization":{},"layers":2}}`
	linear := func(name string, f quant.Format, role arch.Role) plan.Tensor {
		return plan.Tensor{Name: name, Shape: []int{64, 64}, Target: f, From: source.Tensor{Role: role}}
	}
	shards := []exportShard{{tensors: []plan.Tensor{
		linear("model.layers.0.mlp.up_proj.weight", quant.FormatNVFP4, arch.Linear),
		linear("model.layers.0.mlp.down_proj.weight", quant.FormatMXFP8, arch.Linear),
		linear("model.layers.1.mlp.up_proj.weight", quant.FormatNVFP4, arch.Linear),
		linear("model.layers.0.mlp.gate.weight", quant.FormatBF16, arch.Router),
		linear("model.norm.weight", quant.FormatBF16, arch.Norm),
	}}}
	got, err := exportConfig([]byte(raw), shards)
	if err != nil {
		t.Fatal(err)
	}
	config, err := decodeObject(got)
	if err != nil {
		t.Fatal(err)
	}
	block := config["quantization"].(map[string]any)
	if block["mode"] != "nvfp4" || block["model.layers.0.mlp.gate"] != false || block["model.norm"] != nil || len(block) != 7 {
		t.Errorf("the block is %v", block)
	}
	if e := block["model.layers.0.mlp.down_proj"].(map[string]any); e["mode"] != "mxfp8" || len(e) != 3 {
		t.Errorf("down_proj is %v", e)
	}
	if text := config["text_config"].(map[string]any); len(text) != 1 || !strings.Contains(string(got), "12345678901234567890") {
		t.Errorf("the config is %s", got)
	}
	plain, err := exportConfig([]byte(raw), []exportShard{{tensors: shards[0].tensors[3:]}})
	if err != nil || strings.Contains(string(plain), "quantization") {
		t.Errorf("unquantized, the config is %s, %v", plain, err)
	}
}
