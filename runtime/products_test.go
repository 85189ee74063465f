package runtime_test

import (
	"slices"
	"strings"
	"testing"

	"qimport/runtime"
	"qimport/runtime/mlx"
)

// TestCheckProducts: products with packed rows are held to their definition, each kind once; one that is
// wrong with three rows is found, and named.
func TestCheckProducts(t *testing.T) {
	for _, wrong := range []int{0, 3} {
		m := load(t, openDir(t, "../testdata/qwen3.5-moe-4bit"), runtime.Options{Compute: runtime.Quantized, Device: mlx.CPU, WrongRows: wrong})
		found, err := m.CheckProducts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, c := range found {
			kinds = append(kinds, c.Kind)
			if !c.Used || c.Name == "" || c.Wrong() != (wrong != 0) || c.Wrong() && (c.Rows != wrong || !strings.Contains(c.String(), "with 3 rows is off by")) {
				t.Errorf("wrong with %d: %+v, %s", wrong, c, c)
			}
		}
		if slices.Sort(kinds); len(kinds) < 5 || len(slices.Compact(kinds)) != len(found) {
			t.Errorf("kinds %v", kinds)
		}
	}
}

// TestWrongProductsOnGPU: a format that a GPU multiplies wrongly is decoded when the model is loaded.
func TestWrongProductsOnGPU(t *testing.T) {
	needGPU(t)
	m := load(t, openDir(t, "../testdata/qwen3.5-moe-4bit"), runtime.Options{Compute: runtime.Quantized, Device: mlx.GPU, WrongRows: 3})
	found, err := m.CheckProducts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Error("no products were checked")
	}
	for _, c := range found {
		if c.Used || !c.Wrong() || c.Rows != 3 {
			t.Errorf("%+v", c)
		}
	}
	if got, err := m.Generate(t.Context(), ask("What is 20+10?"), nil); err != nil || !strings.Contains(got.Text, "30") {
		t.Errorf("answered %q (%v)", got.Text, err)
	}
}
