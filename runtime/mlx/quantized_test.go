//go:build cgo

package mlx

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"qimport/quant"
)

var quantizedFormats = []quant.Format{
	quant.FormatNVFP4, quant.FormatMXFP4, quant.FormatMXFP8, quant.FormatInt4, quant.FormatInt8,
	quant.AffineFormat(2, 32), quant.AffineFormat(3, 64), quant.AffineFormat(5, 32), quant.AffineFormat(6, 128),
}

// normal is n normally distributed values, the same each time.
func normal(n int) []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(r.NormFloat64())
	}
	return out
}

// packed is one matrix [rows, cols] of normal values as package quant packs it, with the values it
// decodes to.
func packed(t *testing.T, s *Scope, f quant.Format, shape ...int) (Quantized, []float32) {
	t.Helper()
	layout, err := f.Layout(shape, quant.F32)
	if err != nil {
		t.Fatal(err)
	}
	p := quant.Packed{
		Weight: make([]byte, layout.Weight.Bytes()),
		Scales: make([]byte, layout.Scales.Bytes()),
		Biases: make([]byte, layout.Biases.Bytes()),
	}
	if err := quant.Encode(f, p, quant.Float32s(normal(quant.Elements(shape))), quant.Options{}); err != nil {
		t.Fatal(err)
	}
	decoded := make([]float32, quant.Elements(shape))
	tensor := quant.Tensor{Shape: shape, Format: f, ScaleDtype: quant.F32, Data: p.Weight, Scales: p.Scales, Biases: p.Biases}
	if err := tensor.Decode(decoded, 0); err != nil {
		t.Fatal(err)
	}
	q := Quantized{Weight: part(s, layout.Weight, p.Weight), Scales: part(s, layout.Scales, p.Scales), Format: f}
	if f.Mode == quant.Affine {
		q.Biases = part(s, layout.Biases, p.Biases)
	}
	return q, decoded
}

func part(s *Scope, p quant.Part, data []byte) *Array { return s.FromBytes(data, p.Dtype, p.Shape...) }

func TestMLXDecodesWhatQuantPacks(t *testing.T) {
	onThread(t, func(s *Scope) error {
		for _, f := range quantizedFormats {
			q, want := packed(t, s, f, 8, 256)
			// Affine: MLX rounds product and sum, package quant's definition may do so once.
			near(t, f.String(), s.Float32s(s.Dequantize(q, quant.F32)), want, 1e-6)
		}
		return nil
	})
}

// MLX's CPU rule and the GPU rule, which package quant follows, agree on float32 weights in mxfp8
// and in the scales of mxfp4; of its elements, ties and the sign of zero differ.
func TestMLXPacksTheSameBytes(t *testing.T) {
	const rows, cols = 16, 256
	onThread(t, func(s *Scope) error {
		pack := func(f quant.Format) (got, want Quantized) {
			want, _ = packed(t, s, f, rows, cols)
			return s.Quantize(s.FromFloat32(normal(rows*cols), rows, cols), f), want
		}
		got, want := pack(quant.FormatMXFP8)
		if !bytes.Equal(s.Bytes(got.Weight), s.Bytes(want.Weight)) || !bytes.Equal(s.Bytes(got.Scales), s.Bytes(want.Scales)) {
			t.Error("mxfp8: elements or scales differ")
		}
		got, want = pack(quant.FormatMXFP4)
		if !bytes.Equal(s.Bytes(got.Scales), s.Bytes(want.Scales)) {
			t.Error("mxfp4: scales differ")
		}
		return nil
	})
}

func TestQuantizedMatMulIsMatMulOfTheDecoded(t *testing.T) {
	const rows, cols = 32, 256
	onThread(t, func(s *Scope) error {
		x := s.FromFloat32(ramp(3*cols), 3, cols)
		for _, f := range quantizedFormats {
			q, decoded := packed(t, s, f, rows, cols)
			want := s.MatMul(x, s.Transpose(s.FromFloat32(decoded, rows, cols)))
			near(t, f.String(), s.Float32s(s.QuantizedMatMul(x, q, true)), s.Float32s(want), 1e-4)
		}
		return nil
	})
}

func TestGatherQMMPicksExperts(t *testing.T) {
	const experts, rows, cols = 4, 32, 128
	onThread(t, func(s *Scope) error {
		x := s.FromFloat32(ramp(3*cols), 3, 1, cols)
		pick := []int32{2, 0, 2}
		rhs := s.AsType(s.FromInt32(pick, 3), quant.U32)
		for _, f := range quantizedFormats {
			if cols%f.GroupSize != 0 {
				continue
			}
			q, decoded := packed(t, s, f, experts, rows, cols)
			stack := s.FromFloat32(decoded, experts, rows, cols)
			want := s.MatMul(x, s.SwapAxes(s.Take(stack, rhs, 0), -1, -2))
			near(t, f.String(), s.Float32s(s.GatherQMM(x, q, nil, rhs, true, false)), s.Float32s(want), 1e-4)
			dense := s.GatherMM(x, s.SwapAxes(stack, -1, -2), nil, rhs, false)
			near(t, "dense", s.Float32s(dense), s.Float32s(want), 1e-4)
		}
		return nil
	})
}
