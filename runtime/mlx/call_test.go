//go:build cgo

package mlx

import (
	"testing"
	"unsafe"

	"qimport/quant"
)

// TestCall makes products of ours operations of the graph, on inputs that are not computed yet and do not
// lie row by row, and at once, as where MLX's library was not built here.
func TestCall(t *testing.T) {
	const rows, in, out = 3, 4, 5
	w, x := ramp(out*in), ramp(rows*in)
	p, err := quant.NewProduct([][]quant.Span{{{Tensor: quant.Tensor{Shape: []int{out, in}, Format: quant.FormatF32, Data: quant.Float32s(w).Data}, N: out}}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	f, argument := p.Function(quant.CallMultiply)
	if f == nil {
		t.Skip("no function of C for this processor")
	}
	want := make([]float32, rows*out)
	for i := range want {
		for j := range in {
			want[i] += 2 * x[i/out*in+j] * w[i%out*in+j]
		}
	}
	across := make([]float32, len(x)) // x transposed
	for i, v := range x {
		across[i%in*rows+i/in] = v
	}
	onThread(t, func(s *Scope) error {
		a := s.Transpose(s.FromFloat32(across, in, rows))
		y := s.Call(f, argument, quant.F32, []int{rows, out}, a)
		near(t, "in the graph", s.Float32s(s.Add(y, y)), want, 1e-5)
		now := s.callNow(f, argument, quant.F32, []Output{{Shape: []int{rows, out}}}, []*Array{a})[0]
		near(t, "at once", s.Float32s(s.Add(now, now)), want, 1e-5)
		return nil
	})
	err = start(t).Do(t.Context(), func(s *Scope) error { s.Call(nil, unsafe.Pointer(nil), quant.F32, nil); return nil })
	if err == nil {
		t.Error("no function was called")
	}
}
