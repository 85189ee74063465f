package registry

import (
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// login writes docker's file of credentials, for one host.
func login(t *testing.T, host string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	text := `{"auths":{"` + host + `":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("me:secret")) + `"}}}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestLogin: credentials are those of docker's file; they go to their registry, by a password or a token,
// and not to where it redirects.
func TestLogin(t *testing.T) {
	store, e, content := made(t)
	for _, bearer := range []bool{false, true} {
		inner := inProcess(true)
		elsewhere := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "" {
				t.Error("the credentials went elsewhere")
			}
			inner.ServeHTTP(w, r)
		}))
		var host string
		host = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			known := user == "me" && password == "secret"
			switch {
			case r.URL.Path == "/token" && known:
				w.Write([]byte(`{"token":"opensesame"}`))
			case r.URL.Path == "/token":
				w.WriteHeader(http.StatusUnauthorized)
			case bearer && r.Header.Get("Authorization") != "Bearer opensesame":
				w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+host+`/token",service="test"`)
				w.WriteHeader(http.StatusUnauthorized)
			case !bearer && !known:
				w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
				w.WriteHeader(http.StatusUnauthorized)
			case r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/"):
				http.Redirect(w, r, "http://"+elsewhere+r.URL.Path, http.StatusTemporaryRedirect)
			default:
				inner.ServeHTTP(w, r)
			}
		}))
		t.Setenv("DOCKER_CONFIG", t.TempDir())
		if _, err := pushMade(t.Context(), open(t, host+"/made:v1"), store, e, content); !errors.Is(err, ErrDenied) {
			t.Errorf("without credentials: %v", err)
		}
		login(t, host)
		if _, err := pushMade(t.Context(), open(t, host+"/made:v1"), store, e, content); err != nil {
			t.Fatal(err)
		}
		to := newStore(t)
		if _, _, err := pullTo(t.Context(), open(t, host+"/made:v1"), to); err != nil {
			t.Fatal(err)
		}
		same(t, to, content)
	}
}

// TestPlainHTTP: nothing is sent in the clear but to this machine, or where the user says so.
func TestPlainHTTP(t *testing.T) {
	asked := false
	host := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked = true }))
	no := false
	if c, err := Connect(t.Context(), parse(t, host+"/made"), Options{Patience: quick(), PlainHTTP: &no}); err == nil || asked {
		t.Errorf("a registry without TLS was used: %v", c)
	}
	for s, local := range map[string]bool{
		"localhost:5000/a": true, "127.0.0.1/a": true, "127.3.2.1:80/a": true, "[::1]:5000/a": true, "LOCALHOST/a": true,
		"localhost.example.org/a": false, "10.0.0.1:5000/a": false, "registry.example.org/a": false, "127.0.0.1.example.org/a": false,
	} {
		if got := parse(t, s).isLocal(); got != local {
			t.Errorf("%s is on this machine: %v", s, got)
		}
	}
}

// TestDialect: Ollama's registry has no /v2/, and sends manifests as text without length or digest. What it
// has can be pulled.
func TestDialect(t *testing.T) {
	store, e, content := made(t)
	inner := inProcess(true)
	if _, err := pushMade(t.Context(), open(t, serve(t, inner)+"/library/made:v1"), store, e, content); err != nil {
		t.Fatal(err)
	}
	host := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case r.URL.Path == "/v2/" || strings.Contains(r.URL.Path, "/referrers/"):
			http.NotFound(w, r)
		case strings.Contains(r.URL.Path, "/manifests/"):
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.(http.Flusher).Flush()
			w.Write(content)
		default:
			inner.ServeHTTP(w, r)
		}
	}))
	c := open(t, host+"/library/made:v1")
	if c.Dialect != Ollama {
		t.Errorf("it is taken for %s", c.Dialect)
	}
	to := newStore(t)
	if _, r, err := pullTo(t.Context(), c, to); err != nil || r.MediaType != e.Manifest.MediaType {
		t.Fatalf("%s, %v", r.MediaType, err)
	}
	same(t, to, content)
}

// TestNobodyThere: a host that nobody listens at is told at once.
func TestNobodyThere(t *testing.T) {
	_, err := Connect(t.Context(), parse(t, "127.0.0.1:1/made"), Options{})
	if !errors.Is(err, ErrUnusable) {
		t.Errorf("got %v", err)
	}
}
