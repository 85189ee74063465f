package qimport

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/convert/source"
	"qimport/quant"
)

// TestTableFeedback measures what the table of embeddings loses where it is looked up in: the mean relative error of
// what the maps of the first layer answer to its rows, each normed. Error feedback must lose less than the search,
// which loses less than the plain rule does. -v tells it, of the trained fixtures too.
func TestTableFeedback(t *testing.T) {
	needMLX(t)
	models := []string{"testdata/qwen3.5-bf16"}
	if fixtures := os.Getenv("QIMPORT_FIXTURES"); fixtures != "" {
		models = append(models, filepath.Join(fixtures, "tiny-qwen3-hf"), filepath.Join(fixtures, "tiny-qwen3.5-moe-hf"))
	}
	for _, dir := range models {
		src, err := source.OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		c := calibrated(t, CalibrateOptions{Source: dir, Tokens: 200})
		table := valuesOf(t, src, "embed_tokens.weight")
		columns := c.Tensors[0].In
		weights, err := c.Weights("embed_tokens.weight", 1, columns)
		if err != nil {
			t.Fatal(err)
		}
		lost := firstAnswers(t, src, table, columns)
		for _, f := range []quant.Format{quant.FormatNVFP4, quant.FormatMXFP4, quant.FormatInt4} {
			moments, err := c.Moments("embed_tokens.weight", weights).Of(0)
			if err != nil {
				t.Fatal(err)
			}
			by, err := quant.NewFeedback(moments, columns, f.GroupSize)
			if err != nil {
				t.Fatal(err)
			}
			code, scales, biases := f.PartSizes(len(table), quant.BF16)
			p := quant.Packed{Weight: make([]byte, code), Scales: make([]byte, scales), Biases: make([]byte, biases)}
			loss := func(encode error) float64 {
				if encode != nil {
					t.Fatal(encode)
				}
				got := make([]float32, len(table))
				if err := (quant.Tensor{Shape: []int{len(table) / columns, columns}, Format: f, ScaleDtype: quant.BF16, Data: p.Weight, Scales: p.Scales, Biases: p.Biases}).Decode(got, 0); err != nil {
					t.Fatal(err)
				}
				return lost(got)
			}
			plain := loss(quant.Encode(f, p, quant.Float32s(table), quant.Options{Scale: quant.BF16}))
			searched := loss(quant.Encode(f, p, quant.Float32s(table), quant.Options{Scale: quant.BF16, Search: true}))
			fed := loss(quant.EncodeFeedback(f, p, quant.Float32s(table), quant.BF16, by))
			t.Logf("%s %s, of the plain rule's loss: %.2f searched, %.2f with feedback", filepath.Base(dir), f, searched/plain, fed/plain)
			if !(fed < 0.9*searched) {
				t.Errorf("%s %s: feedback loses too much", filepath.Base(dir), f)
			}
		}
	}
}

// valuesOf is a tensor by its body name.
func valuesOf(t *testing.T, src *source.Source, body string) []float32 {
	t.Helper()
	at := slices.IndexFunc(src.Inventory().Tensors, func(t source.Tensor) bool { return t.Body == body })
	if at < 0 {
		t.Fatalf("%s is not there", body)
	}
	q, err := src.Load(src.Inventory().Tensors[at].Name)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float32, quant.Elements(q.Shape))
	if err := q.Decode(values, 0); err != nil {
		t.Fatal(err)
	}
	return values
}

// firstAnswers measures a table in place of the true one: the mean over the maps of the first layer of the relative
// squared error of what they answer to every eighth row.
func firstAnswers(t *testing.T, src *source.Source, table []float32, columns int) func(got []float32) float64 {
	t.Helper()
	gains := gains(t, src, "layers.0.input_layernorm.weight", src.NormForm())
	answers := func(table, w []float32) (all []float64) {
		for at := 0; at < len(table); at += 8 * columns {
			row, square := table[at:at+columns], 1e-12
			for _, x := range row {
				square += float64(x) * float64(x) / float64(columns)
			}
			for line := range slices.Chunk(w, columns) {
				sum := 0.0
				for i, x := range row {
					sum += float64(x) * float64(gains[i]) * float64(line[i])
				}
				all = append(all, sum/math.Sqrt(square))
			}
		}
		return all
	}
	var maps [][]float32
	for _, tensor := range src.Inventory().Tensors {
		if _, in, ok := strings.Cut(tensor.Body, "layers.0."); ok && slices.ContainsFunc([]string{"q_proj", "k_proj", "v_proj", "in_proj_"}, func(s string) bool { return strings.Contains(in, s) }) {
			maps = append(maps, valuesOf(t, src, tensor.Body))
		}
	}
	return func(got []float32) (lost float64) {
		for _, w := range maps {
			want, signal, apart := answers(table, w), 0.0, 0.0
			for i, x := range answers(got, w) {
				apart += (x - want[i]) * (x - want[i])
				signal += want[i] * want[i]
			}
			lost += apart / signal / float64(len(maps))
		}
		return lost
	}
}
