package qimport

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/convert/adapter"
	"qimport/manifest"
	"qimport/quant"
	"qimport/verify/report"
)

// TestRepairWhatWasMade: a model with an adapter, the head of another source and a Modelfile over it is
// repaired from all of these, and of what is not named the kept verdict says that it is wanting.
func TestRepairWhatWasMade(t *testing.T) {
	modelfile := filepath.Join(t.TempDir(), "Modelfile")
	if err := os.WriteFile(modelfile, []byte("SYSTEM You are brief.\nPARAMETER temperature 0.25\nPARSER qwen3\nREQUIRES 0.20.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	lay, err := Laid{Modelfile: modelfile}.model("")
	if err != nil {
		t.Fatal(err)
	}
	style, headed := smallAdapter(t, 0.1), withHead(t, "mtp.safetensors", 0)
	o := unverified(dense, quant.FormatNVFP4)
	o.Plan.Adapters, o.Plan.MTPFrom, o.Plan.ScaleSearch, o.Lay = []adapter.Spec{{Dir: style, Scale: 0.5}}, headed, true, lay
	all := RepairOptions{Source: dense, Adapters: []string{style + "=0.5"}, MTPFrom: headed, Modelfile: modelfile}
	for _, tt := range []struct {
		level report.Level
		steps []repairStep
	}{
		{report.Blobs, []repairStep{
			{RepairOptions{Source: moe}, "m:latest was imported from qwen3.5-bf16"},
			{RepairOptions{Source: dense}, "m:latest was made with the adapter " + filepath.Base(style) + ", scale 0.5, sha256"},
			{RepairOptions{Source: dense, Adapters: []string{style}}, "with the adapter"},
			{RepairOptions{Source: dense, Adapters: all.Adapters}, "has the multi-token-prediction head of " + headed + ": name it with --mtp-from"},
			{RepairOptions{Source: dense, Adapters: all.Adapters, MTPFrom: headed}, "system: it was laid over the model; --modelfile"},
			{all, ""},
		}},
		{verifyNone, []repairStep{{RepairOptions{Source: dense}, "how m:latest was made was not kept"}, {all, ""}}},
	} {
		store := openStore(t, t.TempDir())
		o.Checks.Level = tt.level
		e := imported(t, store, o)
		flip(t, store.Blob(e.Manifest.Config.Digest))
		for _, l := range e.Manifest.Layers {
			if l.Name == "" || strings.HasPrefix(l.Name, "mtp.") || strings.Contains(l.Name, "layers.3.") {
				flip(t, store.Blob(l.Digest))
			}
		}
		for _, step := range tt.steps {
			step.carryOut(t, store)
		}
		whole(t, store)
	}
}

// repairStep is a repair that leaves something for the reason that it says, or nothing.
type repairStep struct {
	options RepairOptions
	says    string
}

func (s repairStep) carryOut(t *testing.T, store *manifest.Store) {
	t.Helper()
	watcher := &notes{}
	s.options.Watch = watcher
	r, err := Repair(t.Context(), store, s.options)
	if err != nil {
		t.Fatal(err)
	}
	told := strings.Join(watcher.lines, "\n")
	if len(r.Left) > 0 != (s.says != "") || !strings.Contains(told, s.says) {
		t.Errorf("left %d, told %s\nwant %s", len(r.Left), told, s.says)
	}
}
