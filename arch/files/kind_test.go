package files

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckKind(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		want  string // "" for a language model
	}{
		"language model": {map[string]string{
			ChatTemplate: "{{ messages }}", cardFile: "---\nlicense: apache-2.0\npipeline_tag: text-generation\n---\n# Qwen3-0.6B\npipeline_tag: text-ranking\n",
		}, ""},
		"nothing":       {nil, ""},
		"picture model": {map[string]string{cardFile: "---\npipeline_tag: image-text-to-text\n---\n"}, ""},
		"embedding by modules": {map[string]string{modulesFile: `[{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},
			{"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.models.Pooling"}]`}, "embedding model"},
		"embedding by prompts":       {map[string]string{sentencesFile: `{"prompts":{"query":"Instruct: "},"similarity_fn_name":"cosine"}`}, "embedding model"},
		"embedding by its card":      {map[string]string{cardFile: "---\npipeline_tag: feature-extraction\n---\n"}, "feature-extraction"},
		"reranker by kind":           {map[string]string{sentencesFile: `{"model_type":"CrossEncoder"}`}, "reranker"},
		"reranker by its template":   {map[string]string{ChatTemplate: "Judge whether the Document meets the requirements based on"}, "reranker"},
		"reranker by its card":       {map[string]string{cardFile: "---\nbase_model:\n- Qwen/Qwen3-0.6B-Base\npipeline_tag: text-ranking\n---\n"}, "reranker"},
		"guard by its template":      {map[string]string{TokenizerConfig: `{"chat_template":"\u003cBEGIN UNSAFE CONTENT CATEGORIES\u003e"}`}, "guard"},
		"speech recognition by card": {map[string]string{cardFile: "---\npipeline_tag: automatic-speech-recognition\n---\n"}, "speech recognition"},
	} {
		t.Run(name, func(t *testing.T) {
			err := CheckKind(memory(tt.files))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (!errors.Is(err, ErrOther) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want it to say %q", err, tt.want)
			}
		})
	}
}
