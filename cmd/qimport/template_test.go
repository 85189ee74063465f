package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/manifest"
)

// TestWithoutTemplate runs a model as Ollama stores it, without the chat template of its source.
func TestWithoutTemplate(t *testing.T) {
	if !haveMLX() {
		t.Skip("models cannot be run here")
	}
	store := t.TempDir()
	answer(t, "import", "../../testdata/qwen3.5-bf16", "--name", "tiny", "--verify", "none", "--store", store)
	path := filepath.Join(store, "manifests", "registry.ollama.ai", "library", "tiny", "latest")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var m manifest.Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	layers := len(m.Layers)
	m.Layers = slices.DeleteFunc(m.Layers, func(l manifest.Layer) bool { return l.Name == "chat_template.jinja" })
	if len(m.Layers) != layers-1 {
		t.Fatal("the import stored no chat template")
	}
	if b, err = json.Marshal(m); err == nil {
		err = os.WriteFile(path, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"verify", "tiny", "--length", "33"}, "verified (smoke"},
		{[]string{"run", "tiny", "What is 2+2?", "--no-think"}, "The result of 2 + 2 is 4."},
		{[]string{"show", "tiny"}, "Ollama's renderer qwen3.5 stand in for it"},
	} {
		if got := answer(t, append(c.args, "--store", store)...); !strings.Contains(got, c.want) {
			t.Errorf("%q does not say %q:\n%s", c.args, c.want, got)
		}
	}
}

// answer runs the program in this process, demands that all went well, and returns its stdout.
func answer(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if status := run(t.Context(), args, stdio{in: strings.NewReader(""), out: &out, err: &errs}); status != exitDone {
		t.Fatalf("%q exits with %d\n%s%s", args, status, &out, &errs)
	}
	return out.String()
}
