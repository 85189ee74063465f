package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"qimport"
	"qimport/arch"
	"qimport/convert/source"
	"qimport/manifest"
	"qimport/runtime"
	"qimport/runtime/mlx"
	"qimport/runtime/runtimetest"
	"qimport/verify"
	"qimport/verify/report"
)

// matrixTargets are what every source is made into, beside what it is.
func matrixTargets() []string { return []string{"nvfp4", "mxfp8", "bf16"} }

// matrixRow is one source of the matrix and what came of it. It prints as a line of the table of
// formats.
type matrixRow struct {
	source  string
	family  arch.Family
	formats string   // as list tells them
	kept    string   // imported as it is: the distance from its reference
	cells   []string // imported as each of matrixTargets
}

// TestMatrix imports every source as it is and into every target, has each import verified before
// it gets its name, and holds those that were kept to what mlx-lm says of their source. It prints
// the table of formats of the README:
//
//	QIMPORT_FIXTURES=… go test ./cmd/qimport -run Matrix -v
func TestMatrix(t *testing.T) {
	folder := runtimetest.Folder(t)
	if !haveMLX() {
		t.Skip("models cannot be run here")
	}
	if testing.Short() {
		t.Skip("the matrix takes minutes; it runs without -short")
	}
	sources := []matrixSource{qwen3MoE(t, filepath.Join(folder, "tiny-qwen3-hf"))}
	for _, f := range runtimetest.Fixtures() {
		dir := filepath.Join(folder, f.Name)
		sources = append(sources, matrixSource{f, dir, dir})
	}
	rows := make([]matrixRow, len(sources))
	t.Run("sources", func(t *testing.T) {
		for i, s := range sources {
			t.Run(s.Name, func(t *testing.T) {
				t.Parallel()
				rows[i] = s.walk(t)
			})
		}
	})
	t.Log("\n" + matrixTable(rows))
}

// matrixSource is a checkpoint and what holds for it.
type matrixSource struct {
	runtimetest.Fixture
	dir       string
	reference string // the checkpoint whose reference answers for it
}

// walk carries out all imports of one source.
func (s matrixSource) walk(t *testing.T) matrixRow {
	src, err := source.OpenDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	row := matrixRow{source: s.Name, family: src.Inventory().Config.Family, formats: qimport.TypeOf(src.Inventory())}
	store := t.TempDir()
	importMatrix(t, s.dir, "--store", store, "--name", "kept", "--policy", "keep")
	row.kept = s.holdToReference(t, store)
	for _, target := range matrixTargets() {
		r := importMatrix(t, s.dir, "--store", store, "--name", "as:"+target,
			"-q", target, "--allow-requantize", "--verify", "quality", "--text-tokens", "128")
		row.cells = append(row.cells, divergence(r.Divergence.MeanKL))
	}
	return row
}

// divergence is a mean KL divergence in nats, in a word.
func divergence(kl float64) string {
	if kl < 1e-12 { // what adding up in float32 leaves
		return "same"
	}
	return fmt.Sprintf("%.1g", kl)
}

// matrixResult is what an import prints, as far as it is looked at here.
type matrixResult struct {
	Published    bool          `json:"published"`
	Verification report.Report `json:"verification"`
}

// importMatrix runs an import and demands that it is verified and published.
func importMatrix(t *testing.T, dir string, flags ...string) report.Report {
	t.Helper()
	ask := []string{"--length", "33", "--prompt", "What is 2+2?", "--expect", `\b4\b`, "--device", "cpu"}
	var out, errs bytes.Buffer
	args := append(append([]string{"import", dir, "--json", "--quiet"}, ask...), flags...)
	if status := run(t.Context(), args, stdio{in: strings.NewReader(""), out: &out, err: &errs}); status != exitDone {
		t.Fatalf("%q exits with %d: %s%s", args, status, &errs, failures(out.Bytes()))
	}
	var r matrixResult
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if !r.Published || !r.Verification.Passed {
		t.Fatalf("%q is not published and verified", args)
	}
	return r.Verification
}

// failures lists the checks of a printed result that said no.
func failures(result []byte) string {
	var r matrixResult
	if json.Unmarshal(result, &r) != nil {
		return ""
	}
	var b strings.Builder
	for _, c := range r.Verification.Checks {
		if c.Passed != report.Passed {
			fprintln(&b, "%s: %s", c.Name, c.Detail)
		}
	}
	return b.String()
}

// holdToReference compares the model "kept" of a store with what mlx-lm says of its source.
func (s matrixSource) holdToReference(t *testing.T, store string) string {
	t.Helper()
	m := loadStored(t, store, "kept")
	defer m.Close()
	r := runtimetest.Read(t, s.reference)
	d := runtimetest.Deviate(t, m, r)
	if d.Over(s.Worst) > s.Flips || math.Abs(d.NLL-r.MeanNLL) > runtimetest.MaxNLL {
		t.Errorf("%d log-probabilities are off by more than %g, up to %.2g; mean NLL is %.6f, want %.6f",
			d.Over(s.Worst), s.Worst, d.Worst(), d.NLL, r.MeanNLL)
	}
	asked := min(len(r.Answers), 22)
	return fmt.Sprintf("%d of %d, %.1g", runtimetest.CheckAnswers(t, m, r, asked), asked, d.Worst())
}

// loadStored loads a model of a store, to be computed in float32.
func loadStored(t *testing.T, dir, named string) *runtime.Model {
	t.Helper()
	return loadThrough(t, dir, named, func(w runtime.Weights) runtime.Weights { return w })
}

// loadThrough is loadStored of a model as it is seen through see.
func loadThrough(t *testing.T, dir, named string, see func(runtime.Weights) runtime.Weights) *runtime.Model {
	t.Helper()
	store, err := manifest.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	name, err := manifest.ParseName(named)
	if err != nil {
		t.Fatal(err)
	}
	target, err := verify.Stored(store, name)
	if err != nil {
		t.Fatal(err)
	}
	src, err := target.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() }) // after the model, which reads weights where they lie
	m, err := runtime.Load(t.Context(), see(src), runtime.Options{Compute: runtime.F32, Device: mlx.CPU})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// matrixTable prints the rows as Markdown.
func matrixTable(rows []matrixRow) string {
	var b strings.Builder
	fprintln(&b, "| source | family | type | kept: answers as mlx-lm's, largest difference of a log-probability | KL as %s |",
		strings.Join(matrixTargets(), " | KL as "))
	fprintln(&b, "|%s", strings.Repeat("---|", 4+len(matrixTargets())))
	for _, r := range rows {
		if len(r.cells) < len(matrixTargets()) {
			continue // it failed, or was not asked for
		}
		fprintln(&b, "| %s | %s | %s | %s | %s |", r.source, r.family, r.formats, r.kept, strings.Join(r.cells, " | "))
	}
	return b.String()
}

// TestOllamaStore verifies what a real Ollama wrote, in a store that nobody may write to.
func TestOllamaStore(t *testing.T) {
	store := filepath.Join(runtimetest.Folder(t), "ollama-store")
	if !haveMLX() {
		t.Skip("models cannot be run here")
	}
	for _, name := range []string{"tiny-qwen3.5-nvfp4", "tiny-qwen3.5-moe-nvfp4"} {
		answer(t, "verify", name, "--store", store, "--length", "33", "--device", "cpu")
	}
}
