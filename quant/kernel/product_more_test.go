package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestProductThreads: the same bits on any number of threads, in every form and class of kernels and with experts.
func TestProductThreads(t *testing.T) {
	defer SetThreads(2)
	rng := rand.New(rand.NewPCG(3, 1))
	for _, f := range forms() {
		in, out := 512, 530
		m := NewMatrix(in, [][]Rows{{f.make(rng, out, in)}, {f.make(rng, out, in)}, {f.make(rng, out, in)}})
		for _, n := range []int{1, 3, 40} {
			x := normal(rng, n*in)
			ids := make([]uint32, 2*n)
			for i := range ids {
				ids[i] = uint32(rng.IntN(3))
			}
			var first []float32
			for _, threads := range []int{1, 2, 3, 7, 1} {
				SetThreads(threads)
				y := make([]float32, n*out+2*n*out)
				m.Multiply(y[:n*out], x)
				m.MultiplyExperts(y[n*out:], x, ids)
				if first == nil {
					first = y
				} else if !slices.Equal(first, y) {
					t.Errorf("%s, %d columns: %d threads give other bits than 1", f.name, n, threads)
				}
			}
		}
		m.Close()
	}
}

// TestProductAtOnce: goroutines that multiply at the same time do not disturb each other.
func TestProductAtOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 2))
	in, out := 256, 200
	m := NewMatrix(in, [][]Rows{{forms()[3].make(rng, out, in)}})
	defer m.Close()
	x := normal(rng, 20*in)
	want := make([]float32, 20*out)
	m.Multiply(want, x)
	failed := make(chan bool)
	for range 4 {
		go func() {
			same := true
			for range 50 {
				y := make([]float32, 20*out)
				m.Multiply(y, x)
				same = same && slices.Equal(y, want)
			}
			failed <- !same
		}()
	}
	for range 4 {
		if <-failed {
			t.Error("a product beside others gives other bits")
		}
	}
}

// TestProductExperts: stacks of experts of different formats, ids that are no expert, rows of x that ids
// share; from one id to several panels of columns an expert.
func TestProductExperts(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	all := forms()
	in, out, experts := 384, 21, 5
	rows := make([][]Rows, experts)
	for e := range rows {
		rows[e] = []Rows{all[e].make(rng, 8, in), all[e+9].make(rng, 13, in)}
	}
	for _, s := range Versions() {
		m := newMatrix(s, in, rows)
		for _, c := range []struct{ tokens, each int }{{1, 1}, {1, 3}, {7, 2}, {300, 1}} {
			x := normal(rng, c.tokens*in)
			ids := make([]uint32, c.tokens*c.each)
			for i := range ids {
				ids[i] = uint32(rng.IntN(experts + 1))
			}
			ids[len(ids)-1] = math.MaxUint32
			var a arena
			y := a.values(len(ids) * out)
			m.MultiplyExperts(y, x, ids)
			for i, id := range ids {
				what := fmt.Sprintf("%s, id %d of %d is %d", s.Name, i, len(ids), id)
				if int(id) < experts {
					m.mustBeWithin(t, what, int(id), 1, y[i*out:], x[i/c.each*in:])
				} else if slices.ContainsFunc(y[i*out:][:out], func(v float32) bool { return v != 0 }) {
					t.Errorf("%s: an expert that is not there does not give zeros", what)
				}
			}
			a.mustHaveCanaries(t, s.Name)
		}
		m.Close()
	}
}

// TestProductDecode: rows of a stack, and numbers that are none; the same bits as the definition's.
func TestProductDecode(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	for _, f := range forms() {
		in := 4 * f.unit
		rows := [][]Rows{{f.make(rng, 3, in), f.make(rng, 4, in)}, {f.make(rng, 7, in)}}
		ids := []int32{13, 0, -1, 6, 7, 14, math.MinInt32, math.MaxInt32}
		var want arena
		ref := newMatrix(Reference(), in, rows)
		ref.Decode(want.values(len(ids)*in), ids)
		for _, s := range Versions() {
			m := newMatrix(s, in, rows)
			var a arena
			m.Decode(a.values(len(ids)*in), ids)
			a.mustEqual(t, s.Name+" "+f.name, &want, true)
			m.Close()
		}
	}
}

// TestProductNonFinite: a NaN or an infinity in a row, or in a column, makes its results no number or
// infinite, and no others.
func TestProductNonFinite(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 3))
	in, out := 256, 9
	for _, f := range forms() {
		for _, where := range []string{"data", "scales", "column", "infinite column"} {
			rows := f.make(rng, out, in)
			bad := 4 // the row
			switch data, scales := rows.sizes(in); {
			case where == "column" || where == "infinite column":
			case where == "data" && rows.Layout == Plain:
				rows.Elem.store(rows.Data, bad*in+77, inf32)
			case where == "data" && rows.Layout == Turned:
				rows.Elem.store(rows.Data, 77*rows.Step+bad, inf32)
			case where == "data" && (rows.Layout == MXFP8 || rows.Layout == E4M3):
				rows.Data[bad*data+77] = 0xFF
			case where == "scales" && rows.Layout == Affine:
				rows.Elem.store(rows.Scales, bad*in/rows.Group+1, nan32)
			case where == "scales" && rows.Layout == NVFP4:
				rows.Scales[bad*scales+3] = 0x7F
			case where == "scales" && (rows.Layout == MXFP4 || rows.Layout == MXFP8):
				rows.Scales[bad*scales+3] = 0xFF
			default:
				continue
			}
			for _, n := range []int{1, 2, 33} {
				x := normal(rng, n*in)
				column := where != "data" && where != "scales"
				if column {
					x[(n-1)*in+5] = map[string]float32{"column": nan32, "infinite column": inf32}[where]
				}
				for _, s := range Versions() {
					m := newMatrix(s, in, [][]Rows{{rows}})
					y := make([]float32, n*out)
					m.Multiply(y, x)
					for i, v := range y {
						want := !column && i%out == bad || column && i/out == n-1
						if got := v != v || math.IsInf(float64(v), 0); got != want {
							t.Errorf("%s %s, %s, column %d of %d, row %d: %v", s.Name, f.name, where, i/out, n, i%out, v)
						}
					}
					m.Close()
				}
			}
		}
	}
}

// TestProductAfterNaN: NaN that an earlier product left in memory reaches no later one.
func TestProductAfterNaN(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	nan := make([]float32, 8*2048)
	for i := range nan {
		nan[i] = nan32
	}
	for _, f := range forms() {
		for _, in := range []int{f.unit, 3 * f.unit, 256, 256 + f.unit} {
			before, rows := f.make(rng, 1, 2048), f.make(rng, 3, in)
			for _, s := range Versions() {
				first, m := newMatrix(s, 2048, [][]Rows{{before}}), newMatrix(s, in, [][]Rows{{rows}})
				x, y := normal(rng, in), make([]float32, 8)
				for range 8 {
					first.Multiply(y, nan)
					m.Multiply(y[:3], x)
					m.mustBeWithin(t, fmt.Sprintf("%s %s, in %d", s.Name, f.name, in), 0, 1, y, x)
				}
				first.Close()
				m.Close()
			}
		}
	}
}

// TestProductExtremes: scales at the ends of their types, global scales that are tiny or huge.
func TestProductExtremes(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	in := 128
	fill := func(b []byte, v byte) []byte {
		for i := range b {
			b[i] = v
		}
		return b
	}
	for _, f := range forms() {
		var all []Rows
		switch f.rows.Layout {
		case MXFP4, MXFP8:
			for _, scale := range []byte{0, 1, 2, 100, 243} {
				r := f.make(rng, 3, in)
				fill(r.Scales, scale)
				all = append(all, r)
			}
		case NVFP4:
			for _, scale := range []byte{0, 1, 7, 8, 0x7E, 0xFE, 0x81} {
				for _, global := range []float32{0x1p-126, 1, 0x1p100} {
					r := f.make(rng, 3, in)
					fill(r.Scales, scale)
					r.Global = global
					all = append(all, r)
				}
			}
		}
		for _, r := range all {
			for _, n := range []int{1, 4, 17} {
				x := normal(rng, n*in)
				for _, s := range Versions() {
					m := newMatrix(s, in, [][]Rows{{r}})
					y := make([]float32, n*r.N)
					m.Multiply(y, x)
					m.mustBeWithin(t, fmt.Sprintf("%s %s, scales of %#x, global %v", s.Name, f.name, r.Scales[0], r.Global), 0, n, y, x)
					m.Close()
				}
			}
		}
	}
}

// FuzzProduct looks for rows whose product is not within the bound, or that are read or written past an end.
func FuzzProduct(f *testing.F) {
	for i := range forms() {
		f.Add(byte(i), byte(1+i%9), byte(1), byte(7*i), uint64(i))
	}
	f.Fuzz(func(t *testing.T, form, columns, units, out byte, seed uint64) {
		k := forms()[int(form)%len(forms())]
		rng := rand.New(rand.NewPCG(seed, 1))
		in, n := k.unit*(1+int(units)%20), 1+int(columns)%70
		rows := k.make(rng, 1+int(out)%60, in)
		x := normal(rng, n*in)
		for _, s := range Versions()[1:] {
			m := newMatrix(s, in, [][]Rows{{rows}})
			var a arena
			y := a.values(n * m.Out)
			m.Multiply(y, x)
			m.mustBeWithin(t, s.Name+" "+k.name, 0, n, y, x)
			a.mustHaveCanaries(t, s.Name)
			m.Close()
		}
	})
}
