package files

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"testing"
)

// FuzzRead reads anything as the small files: no panic, a refusal says that it is one, and what is
// accepted can be written and read again.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"chat_template": "{{ x }}", "bos_token": null, "eos_token": {"content": "<|im_end|>"}}`), []byte(`{"eos_token_id": [1, 2]}`), []byte(`{"text_config": {"eos_token_id": 3}}`))
	f.Add([]byte(`{"chat_template": [{"name": "default", "template": "d"}], "eos_token": "<e>"}`), []byte(`{"eos_token_id": 0}`), []byte(`{"eos_token_id": null, "text_config": null}`))
	f.Add([]byte(`{"chat_template": [null], "eos_token": {"content": null}}`), []byte(`null`), []byte(`{"text_config": 1e99}`))
	f.Add([]byte(`{}`), []byte(`{"do_sample": true, "temperature": 0.6, "top_k": 20, "top_p": 0.95, "min_p": 0, "repetition_penalty": 1.05}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, tokenizer, generation, config []byte) {
		got, err := Read(memory{TokenizerConfig: string(tokenizer), GenerationConfig: string(generation), Config: string(config)})
		if err != nil {
			if !errors.Is(err, ErrBroken) {
				t.Fatalf("refused without saying so: %v", err)
			}
			return
		}
		if got.Template.File == "" != (got.Template.Text == "") || len(got.Ends) > len(generation)+len(config) {
			t.Fatalf("read %+v", got)
		}
		again, err := Read(written(t, got))
		if err != nil || again.Template != got.Template || again.BOS != got.BOS || again.EOS != got.EOS || !slices.Equal(again.Ends, got.Ends) || !reflect.DeepEqual(again.Sampling, got.Sampling) {
			t.Fatalf("read %+v, and again as %+v, %v", got, again, err)
		}
		stops, err := got.StopTokens(func(string) (int, bool) { return 7, true })
		if err != nil || !slices.IsSorted(stops) || !slices.Contains(stops, 7) || !reflect.DeepEqual(stops, slices.Compact(slices.Clone(stops))) {
			t.Fatalf("stop tokens %v, %v", stops, err)
		}
	})
}

// written is files that say what c says.
func written(t *testing.T, c Chat) memory {
	t.Helper()
	files := memory{}
	for name, content := range map[string]any{
		TokenizerConfig: map[string]string{"chat_template": c.Template.Text, "bos_token": c.BOS, "eos_token": c.EOS},
		GenerationConfig: map[string]any{
			"eos_token_id": c.Ends, "temperature": c.Sampling.Temperature, "top_k": c.Sampling.TopK, "top_p": c.Sampling.TopP,
			"min_p": c.Sampling.MinP, "repetition_penalty": c.Sampling.RepetitionPenalty,
		},
	} {
		b, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(b)
	}
	return files
}
