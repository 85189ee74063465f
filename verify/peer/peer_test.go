package peer

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestNew(t *testing.T) {
	for _, c := range []struct{ host, env, want string }{
		{"", "", "http://127.0.0.1:11434"},
		{"", "0.0.0.0", "http://127.0.0.1:11434"},
		{"", "box:8080", "http://box:8080"},
		{"box", "", "http://box:11434"},
		{"https://example.org/ollama", "box", "https://example.org/ollama"},
		{"http://me:secret@box:1", "", "http://me:xxxxx@box:1"},
	} {
		t.Setenv("OLLAMA_HOST", c.env)
		p, err := New(c.host)
		if err != nil || p.String() != c.want {
			t.Errorf("%q, OLLAMA_HOST=%q: %v, %v", c.host, c.env, p, err)
		}
	}
	for _, host := range []string{"ftp://box", "http://", "http://[", "://"} {
		if _, err := New(host); !errors.Is(err, ErrPeer) {
			t.Errorf("%q: %v", host, err)
		}
	}
}

// server is a Peer at a server that answers by path.
func server(t *testing.T, replies map[string]string) *Peer {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply, known := replies[r.URL.Path]
		if !known {
			w.WriteHeader(http.StatusNotFound)
			reply = `{"error": "model 'x' not found"}`
		}
		w.Write([]byte(reply))
	}))
	t.Cleanup(s.Close)
	p, err := New(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAnswers(t *testing.T) {
	p := server(t, map[string]string{
		"/api/version": `{"version":"0.32.15"}`,
		"/api/tags":    `{"models":[{"name":"tiny:latest","digest":"abc"}]}`,
		"/api/show":    `{"capabilities":["completion"]}`,
		"/api/chat":    `{"message":{"role":"assistant","content":"4"},"done":true,"done_reason":"stop","eval_count":2}`,
	})
	if v, err := p.Version(t.Context()); v != "0.32.15" || err != nil {
		t.Error(v, err)
	}
	if d, err := p.Digest(t.Context(), "Tiny:latest"); d != "abc" || err != nil {
		t.Error(d, err)
	}
	if _, err := p.Digest(t.Context(), "other:latest"); !errors.Is(err, ErrNoModel) {
		t.Error(err)
	}
	a, err := p.Chat(t.Context(), Question{Model: "tiny:latest", Tokens: 8})
	if err != nil || a.Message.Content != "4" || a.Tokens != 2 || a.Stop != "stop" {
		t.Error(a, err)
	}
}

// TestRequest holds what is sent to what the API takes.
func TestRequest(t *testing.T) {
	var sent map[string]any
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/show" {
			w.Write([]byte(`{"capabilities":["thinking"]}`))
			return
		}
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			t.Error(err)
		}
		w.Write([]byte(`{"done":true}`))
	}))
	defer s.Close()
	p, err := New(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Chat(t.Context(), Question{Model: "m", Messages: []Message{{Role: "user", Content: "a", Images: [][]byte{{1, 2}}}}, Tokens: 7}); err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(sent)
	want := `{"messages":[{"content":"a","images":["AQI="],"role":"user"}],"model":"m","options":{"frequency_penalty":0,"min_p":0,"num_predict":7,"presence_penalty":0,"repeat_penalty":1,"seed":1,"stop":[],"temperature":0,"top_k":1,"top_p":1},"stream":false,"think":false}`
	if err != nil || string(got) != want {
		t.Errorf("sent %s, %v", got, err)
	}
}

// TestStrangers: what is no Ollama, or a broken one, is an error in time and within memory.
func TestStrangers(t *testing.T) {
	for name, replies := range map[string]map[string]string{
		"nothing there": {},
		"no JSON":       {"/api/version": "<html>", "/api/show": "{}", "/api/chat": "<html>"},
		"other JSON":    {"/api/version": "[]", "/api/show": "{}", "/api/chat": "[]"},
		"no version":    {"/api/version": "{}", "/api/show": "{}", "/api/chat": `{"message":{"content":"a piece"}}`},
		"endless":       {"/api/version": strings.Repeat(" ", maxReply+1), "/api/show": "{}", "/api/chat": strings.Repeat(" ", maxReply+1)},
	} {
		p := server(t, replies)
		if _, err := p.Version(t.Context()); !errors.Is(err, ErrPeer) {
			t.Errorf("%s: the version: %v", name, err)
		}
		if _, err := p.Chat(t.Context(), Question{}); !errors.Is(err, ErrPeer) {
			t.Errorf("%s: an answer: %v", name, err)
		}
	}
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	p, err := New(silent.URL)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.Version(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one that never answers: %v", err)
	}
}
