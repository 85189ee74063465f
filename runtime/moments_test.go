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
		checkFull(t, name, all, a, b)
		want := int64(len(long) + len(short))
		matrices := 1
		switch {
		case strings.HasSuffix(name, "down_proj.weight") && len(all.Rows) > 1: // each expert reads what it has made
			matrices = len(all.Rows)
			if !slices.Equal(all.FullRows, all.Rows) {
				t.Errorf("%s: second moments of %v rows, of %v", name, all.FullRows, all.Rows)
			}
		}
		if len(all.Full) != matrices {
			t.Errorf("%s of %d experts has %d matrices of second moments", name, len(all.Rows), len(all.Full))
		}
		switch {
		case len(all.Rows) > 1:
			experts++
			want *= int64(m.Config.TopK)
		case strings.HasSuffix(name, "embed_tokens.weight"):
			t.Errorf("%s is looked up in, and has moments", name)
		}
		if rows != want {
			t.Errorf("%s has seen %d rows, want %d", name, rows, want)
		}
	}
	if experts == 0 || len(whole) < 20 {
		t.Errorf("%d tensors, %d of them stacks", len(whole), experts)
	}
	wide := load(t, openDir(t, "../testdata/qwen3.5-bf16"), runtime.Options{Device: mlx.CPU, Compute: runtime.F32})
	if err := wide.Moments(t.Context(), [][]int{long}, wide.Inputs(0), nil, nil); err == nil {
		t.Error("moments are taken of weights that are widened")
	}
}

// TestInputs: what takes the least is chosen first, as far as there is room, and said beforehand.
func TestInputs(t *testing.T) {
	m := load(t, openDir(t, "../testdata/qwen3.5-moe-4bit"), runtime.Options{Device: mlx.CPU, Compute: runtime.Quantized})
	all := runtime.SizeOf(m.Inputs(1 << 40))
	if len(all.Left) > 0 || all.File == 0 || all.Memory == 0 {
		t.Fatalf("%+v", all)
	}
	largest := int64(0)
	for _, in := range m.Inputs(0) {
		if in.Full {
			t.Errorf("no room has room for %s", in.Tensors[0].Tensor)
		}
		largest = max(largest, in.Bytes())
	}
	but := runtime.SizeOf(m.Inputs(all.File - 1))
	if but.File != all.File-largest || len(but.Left) != 1 {
		t.Errorf("with a byte too little %+v, of %d where the largest has %d", but, all.File, largest)
	}
	for _, in := range m.Inputs(all.File - 1) {
		if !in.Full && in.Bytes() != largest {
			t.Errorf("%s is left, of %d bytes", in.Tensors[0].Tensor, in.Bytes())
		}
	}
}

// checkFull holds products of any two columns to those of two parts.
func checkFull(t *testing.T, name string, all, a, b runtime.Moments) {
	t.Helper()
	at := func(m runtime.Moments, e, i int) float64 {
		if m.Full[e] == nil {
			return 0
		}
		return m.Full[e][i]
	}
	for e, sums := range all.Full {
		if sums == nil && all.FullRows[e] > 0 {
			t.Errorf("%s: expert %d has %d rows and no products", name, e, all.FullRows[e])
		}
		for i, sum := range sums {
			if apart := math.Abs(sum - at(a, e, i) - at(b, e, i)); apart > 1e-3*(1+math.Abs(sum)) {
				t.Fatalf("%s: expert %d, product %d: %g, in parts %g and %g", name, e, i, sum, at(a, e, i), at(b, e, i))
			}
		}
	}
}

func momentsOf(t *testing.T, m *runtime.Model, sequences ...[]int) map[string]runtime.Moments {
	t.Helper()
	read, named := 0, map[string]runtime.Moments{}
	err := m.Moments(t.Context(), sequences, m.Inputs(1<<40), func(all []runtime.Moments) error {
		for _, one := range all {
			if _, twice := named[one.Tensor]; twice {
				t.Errorf("%s is told twice in one pass", one.Tensor)
			}
			one.Full = slices.Clone(one.Full) // the arrays are lent again
			for e := range one.Full {
				one.Full[e] = slices.Clone(one.Full[e])
			}
			named[one.Tensor] = one
		}
		return nil
	}, func(tokens int) { read = tokens })
	if err != nil {
		t.Fatal(err)
	}
	if want := len(slices.Concat(sequences...)); read != want {
		t.Errorf("%d tokens are told, want %d", read, want)
	}
	return named
}
