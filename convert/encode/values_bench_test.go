package encode

import (
	"crypto/sha256"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"qimport/convert/plan"
	"qimport/quant"
)

// BenchmarkLook is what looking at the values of a chunk costs (finite, look) beside what an import does with it at
// the least: encode and hash what was made, or hash what is kept as it is. Rates are those of the source's bytes.
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
	run := func(name string, do func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(src.Data)))
			do(b)
		})
	}
	run("encode", func(b *testing.B) {
		for b.Loop() {
			encode()
		}
	})
	run("hash made", func(b *testing.B) {
		for b.Loop() {
			h := sha256.New()
			h.Write(made.Weight)
			h.Write(made.Scales)
			h.Sum(nil)
		}
	})
	run("hash kept", func(b *testing.B) {
		for b.Loop() {
			sha256.Sum256(src.Data)
		}
	})
	run("finite", func(b *testing.B) {
		for b.Loop() {
			if bad, err := quant.NonFinite(src.Data, quant.BF16); bad > 0 || err != nil {
				b.Fatal(bad, err)
			}
		}
	})
	run("look", func(b *testing.B) {
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
