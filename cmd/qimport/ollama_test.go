package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// serves starts what speaks Ollama's API for the script's store, at $OLLAMA. FILE has a line for each answer:
// a word of the question, a colon, and what is said.
func serves(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: serves FILE")
	}
	answers := ts.ReadFile(args[0])
	manifests := filepath.Join(ts.Getenv("OLLAMA_MODELS"), "manifests", "registry.ollama.ai", "library")
	mux := http.NewServeMux()
	mux.HandleFunc("/api/version", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"version":"0.32.15"}`)) })
	mux.HandleFunc("/api/show", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"capabilities":["completion"]}`)) })
	mux.HandleFunc("/api/tags", func(w http.ResponseWriter, _ *http.Request) { sendJSON(w, map[string]any{"models": models(manifests)}) })
	mux.HandleFunc("/api/chat", func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Messages []struct{ Content string } }
		if json.NewDecoder(r.Body).Decode(&asked) != nil || len(asked.Messages) == 0 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		question := asked.Messages[len(asked.Messages)-1].Content
		for line := range strings.Lines(answers) {
			if word, answer, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && strings.Contains(question, word) {
				sendJSON(w, map[string]any{"message": map[string]string{"role": "assistant", "content": answer}, "done": true, "done_reason": "stop", "eval_count": 1})
				return
			}
		}
		w.WriteHeader(http.StatusInternalServerError)
	})
	server := httptest.NewServer(mux)
	ts.Defer(server.Close)
	ts.Setenv("OLLAMA", server.URL)
}

func sendJSON(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

// models are the names below a folder of manifests, as /api/tags has them.
func models(manifests string) []map[string]string {
	found := []map[string]string{}
	files, _ := filepath.Glob(filepath.Join(manifests, "*", "*"))
	for _, file := range files {
		if b, err := os.ReadFile(file); err == nil {
			sum := sha256.Sum256(b)
			name := filepath.Base(filepath.Dir(file)) + ":" + filepath.Base(file)
			found = append(found, map[string]string{"name": name, "digest": hex.EncodeToString(sum[:])})
		}
	}
	return found
}
