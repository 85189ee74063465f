package quant

import (
	"math"
	"math/rand/v2"
	"testing"
)

// productTensors are tensors [3, 4, 64] in every kind of format.
func productTensors(t *testing.T) map[string]Tensor {
	t.Helper()
	rng := rand.New(rand.NewPCG(8, 9))
	shape := []int{3, 4, 64}
	w := make([]float32, Elements(shape))
	for i := range w {
		w[i] = float32(rng.NormFloat64())
	}
	all := map[string]Tensor{}
	for _, f := range append(writtenFormats(), FormatBF16, FormatF16, FormatF32) {
		if f.IsQuantized() && f.CheckShape(shape) != nil {
			continue
		}
		p := newPacked(f, len(w), F32)
		if err := Encode(f, p, Float32s(w), Options{}); err != nil {
			t.Fatal(err)
		}
		all[f.String()] = Tensor{Shape: shape, Format: f, ScaleDtype: F32, Data: p.Weight, Scales: p.Scales, Biases: p.Biases}
	}
	perExpert := all["nvfp4"]
	perExpert.Global = []float32{1, 0.5, 3}
	all["nvfp4, a global scale an expert"] = perExpert
	blocks := all["mxfp8"]
	blocks.Format = Format{Mode: FP8, Bits: 8, BlockRows: 3, BlockCols: 48}
	blocks.Scales = Float32s(w[:3*2*2]).Data
	all["fp8"] = blocks
	return all
}

// TestProduct holds products of spans to what Decode says of the rows.
func TestProduct(t *testing.T) {
	for name, tensor := range productTensors(t) {
		t.Run(name, func(t *testing.T) {
			other := productTensors(t)["bf16"]
			experts := [][]Span{
				{{tensor, 1, 2}, {other, 0, 1}, {tensor, 0, 7}},
				{{tensor, 2, 10}},
				{{other, 11, 1}, {tensor, 3, 9}},
			}
			p, err := NewProduct(experts)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			rng := rand.New(rand.NewPCG(1, 2))
			x := make([]float32, 3*64)
			for i := range x {
				x[i] = float32(rng.NormFloat64())
			}
			ids := []uint32{1, 0, 2, 7, 2, math.MaxUint32}
			y := make([]float32, len(ids)*10)
			p.MultiplyExperts(y, x, ids)
			for i, id := range ids {
				for o := range 10 {
					want, size := 0.0, 0.0
					if id < 3 {
						for k, w := range spanRow(t, experts[id], o) {
							want += float64(w) * float64(x[i/2*64+k])
							size += math.Abs(float64(w) * float64(x[i/2*64+k]))
						}
					}
					if got := float64(y[i*10+o]); math.Abs(got-want) > 1e-5*size {
						t.Errorf("id %d, row %d: got %v, want %v", id, o, got, want)
					}
				}
			}
			p.Multiply(y[:10], x[:64])
			rows := []int32{29, 0, -1, 30, 12}
			table := make([]float32, len(rows)*64)
			p.Decode(table, rows)
			for i, r := range rows {
				want := make([]float32, 64)
				if r >= 0 && r < 30 {
					want = spanRow(t, experts[r/10], int(r)%10)
				}
				for k, w := range want {
					if table[i*64+k] != w {
						t.Errorf("row %d, column %d decodes to %v, want %v", r, k, table[i*64+k], w)
					}
				}
			}
		})
	}
}

// spanRow decodes row o of an expert.
func spanRow(t *testing.T, spans []Span, o int) []float32 {
	t.Helper()
	for _, s := range spans {
		if o < s.N {
			w := make([]float32, Columns(s.Tensor.Shape))
			if err := s.Tensor.Decode(w, s.From+o); err != nil {
				t.Fatal(err)
			}
			return w
		}
		o -= s.N
	}
	t.Fatal("no such row")
	return nil
}

func TestProductRefusals(t *testing.T) {
	good := productTensors(t)["nvfp4"]
	short := good
	short.Scales = short.Scales[1:]
	narrow := Tensor{Shape: []int{2, 8}, Format: FormatBF16, Data: make([]byte, 32)}
	doubles := Tensor{Shape: []int{2, 8}, Format: PlainFormat(F64), Data: make([]byte, 128)}
	ints := Tensor{Shape: []int{2, 32}, Format: IntFormat(8, 32, Bytes, false), ScaleDtype: F32, Data: make([]byte, 64), Scales: make([]byte, 8)}
	if err := ints.Validate(); err != nil {
		t.Fatal(err)
	}
	for what, experts := range map[string][][]Span{
		"nothing":            nil,
		"no rows":            {{}},
		"none of a tensor":   {{{good, 3, 0}}},
		"before the first":   {{{good, -1, 2}}},
		"behind the last":    {{{good, 11, 2}}},
		"far behind":         {{{good, math.MaxInt, math.MaxInt}}},
		"scales too short":   {{{short, 0, 1}}},
		"different columns":  {{{good, 0, 1}, {narrow, 0, 1}}},
		"different heights":  {{{good, 0, 2}}, {{good, 2, 1}}},
		"no columns":         {{{Tensor{Shape: []int{2, 0}, Format: FormatBF16}, 0, 1}}},
		"a dtype of no kind": {{{doubles, 0, 1}}},
		"a mode of no kind":  {{{ints, 0, 1}}},
	} {
		if p, err := NewProduct(experts); err == nil {
			t.Errorf("%s: accepted, [%d, %d]", what, p.Out(), p.In())
		}
	}
}
