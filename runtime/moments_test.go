package runtime_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"qimport/runtime"
	"qimport/runtime/mlx"
)

// TestMoments: what goes into a mixture's maps is counted, token by token and choice by choice, and what is
// read in two calls is what is read in one, to the rounding of float32.
func TestMoments(t *testing.T) {
	m := load(t, openDir(t, "../testdata/qwen3.5-moe-4bit"), runtime.Options{Device: mlx.CPU, Compute: runtime.Quantized})
	long, short := someTokens(1100), someTokens(37) // cut into pieces, of which none is padded
	whole := momentsOf(t, m, long, short)
	parts := [2]map[string]runtime.Moments{momentsOf(t, m, long), momentsOf(t, m, short)}
	experts := 0
	for name, all := range whole {
		a, b := parts[0][name], parts[1][name]
		rows := int64(0)
		for e, n := range all.Rows {
			rows += n
			if n != a.Rows[e]+b.Rows[e] {
				t.Errorf("%s: expert %d has %d rows, in parts %d and %d", name, e, n, a.Rows[e], b.Rows[e])
			}
			for i, sum := range all.Sums[e] {
				if apart := math.Abs(sum - a.Sums[e][i] - b.Sums[e][i]); apart > 1e-3*(1+sum) {
					t.Fatalf("%s: expert %d, column %d: %g, in parts %g and %g", name, e, i, sum, a.Sums[e][i], b.Sums[e][i])
				}
			}
		}
		for i := range all.Full {
			if apart := math.Abs(all.Full[i] - a.Full[i] - b.Full[i]); apart > 1e-3*(1+math.Abs(all.Full[i])) {
				t.Fatalf("%s: product %d: %g, in parts %g and %g", name, i, all.Full[i], a.Full[i], b.Full[i])
			}
		}
		want := int64(len(long) + len(short))
		if own := strings.HasSuffix(name, "down_proj.weight") && len(all.Rows) > 1; own != (all.Full == nil) && !strings.HasSuffix(name, "embed_tokens.weight") {
			t.Errorf("%s of %d experts has second moments: %v", name, len(all.Rows), all.Full != nil)
		}
		switch {
		case len(all.Rows) > 1:
			experts++
			want *= int64(m.Config.TopK)
		case strings.HasSuffix(name, "embed_tokens.weight"):
			want = 0 // it is looked up in
		}
		if rows != want {
			t.Errorf("%s has seen %d rows, want %d", name, rows, want)
		}
	}
	if experts == 0 || len(whole) < 20 {
		t.Errorf("%d tensors, %d of them stacks", len(whole), experts)
	}
	if _, err := load(t, openDir(t, "../testdata/qwen3.5-bf16"), runtime.Options{Device: mlx.CPU, Compute: runtime.F32}).Moments(t.Context(), [][]int{long}, false, nil); err == nil {
		t.Error("moments are taken of weights that are widened")
	}
}

func momentsOf(t *testing.T, m *runtime.Model, sequences ...[]int) map[string]runtime.Moments {
	t.Helper()
	read := 0
	all, err := m.Moments(t.Context(), sequences, true, func(tokens int) { read = tokens })
	if err != nil {
		t.Fatal(err)
	}
	if want := len(slices.Concat(sequences...)); read != want {
		t.Errorf("%d tokens are told, want %d", read, want)
	}
	named := map[string]runtime.Moments{}
	for _, one := range all {
		named[one.Tensor] = one
	}
	return named
}
