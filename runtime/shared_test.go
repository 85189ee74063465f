package runtime_test

import (
	"slices"
	"testing"

	"qimport/runtime"
	"qimport/runtime/mlx"
)

// TestGenerateShared holds answers that go on from one beginning to answers one by one: beginnings of several
// lengths, also of nothing and of a whole prompt, and a request among them that cannot be answered.
func TestGenerateShared(t *testing.T) {
	for _, name := range []string{"qwen3.5-bf16", "qwen3.5-moe-4bit"} {
		m := load(t, openDir(t, "../testdata/"+name), runtime.Options{Compute: runtime.F32, Device: mlx.CPU})
		ids := someText(t)
		for _, shared := range []int{0, 1, 64, 256, 300} {
			var requests []runtime.GenerateOptions
			for n := 1; n <= 5; n++ {
				prompt := append(slices.Clone(ids[:shared]), ids[10*n:][:2*n]...)
				requests = append(requests, runtime.GenerateOptions{Tokens: prompt, MaxTokens: 6})
			}
			if shared > 0 {
				requests = append(requests, runtime.GenerateOptions{Tokens: ids[:shared], MaxTokens: 6})
			}
			requests = append(requests, runtime.GenerateOptions{Tokens: []int{-1}})
			live := mlx.LiveArrays()
			got := m.GenerateShared(t.Context(), requests)
			if n := mlx.LiveArrays() - live; n != 0 {
				t.Errorf("%d arrays are left", n)
			}
			last := len(requests) - 1
			for i, o := range requests[:last] {
				want, err := m.Generate(t.Context(), o, nil)
				if err != nil {
					t.Fatal(err)
				}
				checkBatchAnswer(t, got[i], want)
				if read := got[i].Prefill.Tokens; shared > 1 && read > len(o.Tokens)-shared+1 {
					t.Errorf("%d tokens of %d are read again", read, len(o.Tokens))
				}
			}
			if got[last].Err == nil {
				t.Error("a token that is none was read")
			}
		}
	}
}
