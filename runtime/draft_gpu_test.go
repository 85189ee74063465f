package runtime_test

import (
	"slices"
	"testing"

	"qimport/runtime"
	"qimport/runtime/mlx"
)

// TestDraftsOnGPU takes guesses back on a GPU as TestDraftsTakenBack does, and answers with drafts and
// without. In float32 the tokens are the same. With bf16 activations, rows of one product round otherwise
// than a row alone, and of two tokens as likely the other one may be chosen; so only what the model knows
// well must be the same there.
func TestDraftsOnGPU(t *testing.T) {
	needGPU(t)
	for _, name := range []string{"tiny-qwen3.5-vl", "tiny-qwen3.5-vl-moe"} {
		ids := readHead(t, name).IDs
		for _, compute := range []runtime.Compute{runtime.F32, runtime.BF16, runtime.Quantized} {
			t.Run(name+"/"+compute.String(), func(t *testing.T) {
				m := headed(t, name, runtime.Options{Compute: compute, Device: mlx.GPU})
				for n := 1; n <= 3; n++ {
					for stand := range n + 1 {
						takenBack(t, m, nil, ids, 20, n, stand)
					}
				}
				want := answers(t, m, runtime.GenerateOptions{MaxTokens: 40})
				for _, n := range []int{1, 2, 5} {
					drafted, accepted := 0, 0
					for i, got := range answers(t, m, runtime.GenerateOptions{MaxTokens: 40, Draft: n}) {
						drafted, accepted = drafted+got.Drafts.Drafted, accepted+got.Drafts.Accepted
						same := 0
						for same < min(len(got.Tokens), len(want[i].Tokens)) && got.Tokens[same] == want[i].Tokens[same] {
							same++
						}
						if (compute == runtime.F32 || i == 0) && !slices.Equal(got.Tokens, want[i].Tokens) {
							t.Errorf("%d drafts: %q, want %q", n, got.Text, want[i].Text)
						}
						t.Logf("%d drafts: %d of %d tokens are the same", n, same, len(want[i].Tokens))
					}
					if accepted == 0 {
						t.Errorf("%d drafts: none of %d accepted", n, drafted)
					}
					t.Logf("%d drafts: %d of %d accepted", n, accepted, drafted)
				}
			})
		}
	}
}
