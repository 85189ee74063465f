package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/rogpeppe/go-internal/testscript"
)

// startRegistry starts a registry in memory, at $REGISTRY. With "ollama" it is the one that $REGISTRY was
// before, with Ollama's manners.
func startRegistry(ts *testscript.TestScript, _ bool, args []string) {
	handler := registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0)))
	if len(args) == 1 && args[0] == "ollama" {
		handler = ollamaManners(ts.Getenv("REGISTRY"))
	} else if len(args) > 0 {
		ts.Fatalf("usage: registry [ollama]")
	}
	server := httptest.NewServer(handler)
	ts.Defer(server.Close)
	ts.Setenv("REGISTRY", strings.TrimPrefix(server.URL, "http://"))
}

// ollamaManners hands on what is read, manifests as text without length, and knows nothing else.
func ollamaManners(host string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") && !strings.Contains(r.URL.Path, "/manifests/") {
			http.NotFound(w, r)
			return
		}
		resp, err := http.Get("http://" + host + r.URL.Path)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(resp.StatusCode)
		w.(http.Flusher).Flush()
		_, _ = io.Copy(w, resp.Body) // the client finds what is missing
	})
}
