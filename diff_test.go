package qimport

import (
	"slices"
	"testing"
)

// TestDifferencesLines: tensors that differ alike share a line, as in a plan; files say which value differs.
func TestDifferencesLines(t *testing.T) {
	d := Differences{Differences: []Difference{
		{Name: "config.json", A: "file", B: "file", Keys: []string{"x.y", "z"}, Values: []ValuePair{{"1", "2"}, {"", `"new"`}}},
		{Name: "model.layers.0.a.weight", A: "nvfp4", B: "int4"},
		{Name: "model.layers.0.b.weight", A: "nvfp4", B: "nvfp4"},
		{Name: "model.layers.1.a.weight", A: "nvfp4", B: "int4"},
		{Name: "model.layers.2.a.weight", A: "nvfp4", B: "int8"},
		{Name: "model.layers.3.a.weight", A: "nvfp4", B: "int4"},
		{Name: "model.norm.weight", A: "", B: "bf16"},
	}}
	want := []string{
		`config.json: x.y 1 in A, 2 in B; z only in B, "new"`,
		"model.layers.{0..1,3}.a.weight: nvfp4 in A, int4 in B",
		"model.layers.0.b.weight: both nvfp4, other values",
		"model.layers.2.a.weight: nvfp4 in A, int8 in B",
		"model.norm.weight: only in B, bf16",
	}
	if got := d.Lines(); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}
