package source

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/convert/converttest"
	"qimport/quant"
)

// TestProducers holds what a source's tensors decode to, and what is computed with, to what the producer's own
// library decodes: the scripts in oracle/ made the checkpoints and the digests.
func TestProducers(t *testing.T) {
	found, err := filepath.Glob("testdata/producers/*/oracle.json")
	if err != nil || len(found) == 0 {
		t.Fatalf("no oracles: %v", err)
	}
	for _, path := range found {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var kept struct{ Weights map[string]string }
			readJSON(t, path, &kept)
			holdToOracle(t, dir, kept.Weights)
		})
	}
}

// refusedProducers are what real tools made and qimport does not read, with the words that say so.
var refusedProducers = map[string]string{
	"mo-nvfp4-svd": `unsupported quant_algo "NVFP4_SVD"`,
	"mo-w4a8-awq":  `unsupported quant_algo "W4A8_AWQ"`,
}

// TestProducersRefused: what has no oracle is refused by name, and what has one is not among them.
func TestProducersRefused(t *testing.T) {
	found, err := filepath.Glob("testdata/producers/*/config.json")
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, path := range found {
		dir := filepath.Dir(path)
		if _, err := os.Stat(filepath.Join(dir, "oracle.json")); err == nil {
			continue
		}
		refused++
		want, known := refusedProducers[filepath.Base(dir)]
		src, err := OpenDir(converttest.WithTokenizer(t, dir))
		if err == nil {
			src.Close()
		}
		if !known || !errors.Is(err, ErrSource) || !errors.Is(err, ErrScheme) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want a refusal that says %q", dir, err, want)
		}
	}
	if refused != len(refusedProducers) {
		t.Errorf("%d checkpoints have no oracle, and %d refusals are known", refused, len(refusedProducers))
	}
}

// TestProduced does as TestProducers with checkpoints among the fixtures.
func TestProduced(t *testing.T) {
	fixtures := os.Getenv("QIMPORT_FIXTURES")
	if fixtures == "" {
		t.Skip("QIMPORT_FIXTURES names no folder of fixtures")
	}
	for _, file := range []string{"produced-ct.json", "produced-mo.json"} {
		var all map[string]map[string]string
		readJSON(t, filepath.Join("testdata/producers", file), &all)
		for name, weights := range all {
			t.Run(name, func(t *testing.T) { holdToOracle(t, filepath.Join(fixtures, "produced", name), weights) })
		}
	}
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func holdToOracle(t *testing.T, dir string, weights map[string]string) {
	src, err := OpenDir(converttest.WithTokenizer(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if len(weights) < 5 {
		t.Fatalf("the oracle knows only %d weights", len(weights))
	}
	for name, want := range weights {
		dtype, digest, _ := strings.Cut(want, " ")
		tensor, piece := pieceOf(t, src, name)
		lent, err := src.LoadPiece(tensor, piece)
		if err != nil {
			t.Fatal(err)
		}
		exact := make([]float32, quant.Elements(lent.Shape))
		if err := lent.Decode(exact, 0); err != nil {
			t.Fatal(err)
		}
		if got := digestIn(t, exact, dtype); got != digest {
			t.Errorf("%s, %s, decodes to other numbers than its producer's", name, tensor.Format)
		}
		holdLoaded(t, src, tensor, piece, exact)
	}
}

// pieceOf finds a tensor, or the expert that it has become in a stack.
func pieceOf(t *testing.T, src *Source, name string) (Tensor, int) {
	t.Helper()
	for _, tensor := range src.Inventory().Tensors {
		for i, p := range tensor.Pieces {
			for _, suffix := range []string{".weight", ".weight_packed", ".qweight"} {
				if stem, ok := strings.CutSuffix(p.Weight.Name, suffix); ok && stem+".weight" == name {
					return tensor, i
				}
			}
		}
	}
	t.Fatalf("%s is nowhere", name)
	return Tensor{}, 0
}

// digestIn is the digest of float32 values, once they are rounded to a dtype.
func digestIn(t *testing.T, values []float32, dtype string) string {
	t.Helper()
	d, err := quant.ParseDtype(dtype)
	if err != nil {
		t.Fatal(err)
	}
	rounded := make([]float32, len(values))
	b := make([]byte, len(values)*d.Size())
	if err := quant.FromFloat32(b, d, values); err != nil {
		t.Fatal(err)
	}
	if err := quant.ToFloat32(rounded, b, d); err != nil {
		t.Fatal(err)
	}
	for i, x := range rounded {
		if x == 0 {
			rounded[i] = 0 // and not -0
		}
	}
	sum := sha256.Sum256(quant.Float32s(rounded).Data)
	return hex.EncodeToString(sum[:])
}

// holdLoaded demands of what is computed with the very same numbers, rounded to bf16 where it says so, or
// by code * scale + bias in float32, which rounds twice more where the scales have float32's precision.
func holdLoaded(t *testing.T, src *Source, tensor Tensor, piece int, exact []float32) {
	t.Helper()
	whole, err := src.Load(tensor.Name)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]float32, quant.Elements(whole.Shape))
	if err := whole.Decode(all, 0); err != nil {
		t.Fatal(err)
	}
	got := all[piece*len(exact):][:len(exact)]
	loose := float32(0)
	switch {
	case whole.Format == quant.FormatBF16:
		loose = 1.0 / 256
	case tensor.Format.Mode == quant.Int && tensor.ScaleDtype == quant.F32:
		loose = 1.0 / (1 << 15)
	}
	largest := float32(0)
	for _, x := range exact {
		largest = max(largest, x, -x)
	}
	for i, x := range exact {
		bound := loose * max(x, -x)
		if whole.Format.Mode == quant.Affine {
			bound = loose * largest
		}
		if d := got[i] - x; d > bound || -d > bound || d != d {
			t.Fatalf("%s: element %d is %v, its producer's %v", tensor.Name, i, got[i], x)
		}
	}
}
