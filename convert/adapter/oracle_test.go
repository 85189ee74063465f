package adapter

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/convert/converttest"
	"qimport/convert/safetensors"
	"qimport/convert/source"
	"qimport/quant"
)

// TestOracle holds what is fused to what PEFT's merge_and_unload and mlx-lm's fuse make of the same
// adapters (oracle/adapters.py), tensor by tensor, and sees that no other tensor changes.
func TestOracle(t *testing.T) {
	dirs, err := filepath.Glob("testdata/*-*")
	if err != nil || len(dirs) < 10 {
		t.Fatal(dirs, err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			base := "testdata/" + strings.Split(filepath.Base(dir), "-")[1]
			src := adapted(t, base, Spec{Dir: dir, Scale: 1})
			want := fusedBy(t, filepath.Join(dir, "fused.safetensors"), src.Inventory())
			changed := 0
			for _, tensor := range src.Inventory().Tensors {
				if values, ok := want[tensor.Name]; ok {
					near(t, tensor.Name, load(t, src, tensor.Name), values)
					changed++
				} else if tensor.Fused() || tensor.Replaced != "" {
					same(t, tensor.Name, load(t, src, tensor.Name), load(t, adapted(t, base), tensor.Name))
				}
			}
			if changed != len(want) || changed == 0 {
				t.Errorf("%d tensors were compared, the oracle changes %d", changed, len(want))
			}
		})
	}
}

// adapted is a source with adapters.
func adapted(t *testing.T, base string, specs ...Spec) *source.Source {
	t.Helper()
	src, err := source.OpenDir(base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	if err := Apply(src, specs); err != nil {
		t.Fatal(err)
	}
	return src
}

func load(t *testing.T, src *source.Source, name string) []float32 {
	t.Helper()
	q, err := src.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return converttest.Decoded(t, q)
}

// near allows what float32 sums in another order differ by.
func near(t *testing.T, name string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d values, the oracle's %d", name, len(got), len(want))
	}
	scale, worst := 0.0, 0.0
	for i := range want {
		scale = max(scale, math.Abs(float64(want[i])))
		worst = max(worst, math.Abs(float64(got[i])-float64(want[i])))
	}
	if !(worst <= 2e-6*scale) {
		t.Errorf("%s is off by %.2g where its largest value is %.2g", name, worst, scale)
	}
}

func same(t *testing.T, name string, got, want []float32) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s was changed", name)
	}
}

// fusedBy reads an oracle's tensors, by the names that the source has for them.
func fusedBy(t *testing.T, path string, inv source.Inventory) map[string][]float32 {
	t.Helper()
	f, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string][]float32{}
	for _, array := range f.Header.Tensors {
		b, err := f.Bytes(array.Name)
		if err != nil {
			t.Fatal(err)
		}
		values := make([]float32, quant.Elements(array.Shape))
		if err := quant.ToFloat32(values, b, array.Dtype); err != nil {
			t.Fatal(err)
		}
		stem, fused := strings.CutSuffix(array.Name, "gate_up_proj")
		switch {
		case fused:
			out[named(t, inv, stem+"gate_proj.weight")], out[named(t, inv, stem+"up_proj.weight")] = halves(values, array.Shape[0])
		case strings.HasSuffix(array.Name, ".down_proj"):
			out[named(t, inv, array.Name+".weight")] = values
		default:
			out[named(t, inv, strings.Replace(array.Name, ".switch_mlp.", ".experts.", 1))] = values
		}
	}
	return out
}

func named(t *testing.T, inv source.Inventory, name string) string {
	t.Helper()
	for _, tensor := range inv.Tensors {
		if tensor.Body == arch.Body(name) {
			return tensor.Name
		}
	}
	t.Fatalf("no tensor %s", name)
	return ""
}

// halves parts gate and up of fused experts.
func halves(values []float32, experts int) (gate, up []float32) {
	n := len(values) / (2 * experts)
	for e := range experts {
		gate = append(gate, values[2*e*n:(2*e+1)*n]...)
		up = append(up, values[(2*e+1)*n:(2*e+2)*n]...)
	}
	return gate, up
}
