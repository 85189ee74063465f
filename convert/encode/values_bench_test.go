package encode

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"qimport/convert/plan"
	"qimport/quant"
)

// BenchmarkLook is what looking at a chunk costs beside encoding it.
func BenchmarkLook(b *testing.B) {
	const rows, cols = 128, 4096
	r := rand.New(rand.NewPCG(1, 2))
	values := make([]float32, rows*cols)
	for i := range values {
		values[i] = float32(r.NormFloat64()) / 50
	}
	src := quant.Tensor{Shape: []int{rows, cols}, Format: quant.FormatBF16, Data: make([]byte, 2*len(values))}
	if err := quant.FromFloat32(src.Data, quant.BF16, values); err != nil {
		b.Fatal(err)
	}
	weight, scales, _ := quant.FormatNVFP4.PartSizes(len(values), quant.NoDtype)
	made := quant.Packed{Weight: make([]byte, weight), Scales: make([]byte, scales)}
	encode := func() {
		if err := quant.Encode(quant.FormatNVFP4, made, quant.Values{Data: src.Data, Dtype: quant.BF16}, quant.Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			encode()
		}
	})
	b.Run("look", func(b *testing.B) {
		encode()
		tw := &tensorWriter{plan: plan.Tensor{Target: quant.FormatNVFP4}}
		for b.Loop() {
			tw.seen.nonzero = make([]atomic.Bool, 1)
			if err := tw.look(span{}, src, made); err != nil {
				b.Fatal(err)
			}
		}
	})
}
