package converttest

import (
	"os"
	"path/filepath"
	"testing"
)

// WithTokenizer is a checkpoint with a tokenizer of as few tokens as a test's model has: dir itself, if it
// has one, else a copy.
func WithTokenizer(t *testing.T, dir string) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "tokenizer.json")); err == nil {
		return dir
	}
	out := filepath.Join(t.TempDir(), filepath.Base(dir))
	if err := os.CopyFS(out, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"tokenizer.json":        `{"model":{"vocab":{"a":0,"b":1}},"added_tokens":[{"id":2,"content":"<|im_end|>"},{"id":95,"content":"<95>"}]}`,
		"tokenizer_config.json": `{"eos_token":"<|im_end|>"}`,
	} {
		if err := os.WriteFile(filepath.Join(out, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return out
}
