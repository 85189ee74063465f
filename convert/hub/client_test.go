package hub

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"qimport/internal/transfer"
)

const token = "hf_secret"

// The token goes to the hub, and to no host that it redirects to; the bytes from there count.
func TestTokenStaysHome(t *testing.T) {
	noLeaks(t)
	files := checkpointFiles()
	cdn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			if text := name + strings.Join(values, ""); strings.Contains(text, token) || name == "Authorization" || name == "Referer" || name == "Cookie" {
				t.Errorf("the other host was told %s: %v", name, values)
			}
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(files[shardName]))
	}))
	t.Cleanup(cdn.Close)
	h := newFakeHub(t, files)
	h.serve = func(w http.ResponseWriter, r *http.Request, name, _ string) bool {
		if name != shardName {
			return false
		}
		if r.URL.RawQuery == "" { // first within the hub, then away
			http.Redirect(w, r, r.URL.Path+"?again=1", http.StatusTemporaryRedirect)
			return true
		}
		http.SetCookie(w, &http.Cookie{Name: "session", Value: token})
		http.Redirect(w, r, cdn.URL+"/signed", http.StatusFound)
		return true
	}
	s := h.settings(t)
	s.token = token
	mustResolve(t, s, files)
	asked := h.asked("")
	for _, r := range asked {
		if r.auth != "Bearer "+token {
			t.Errorf("the hub was asked for %s with %q", r.path, r.auth)
		}
	}
	if len(asked) < 5 {
		t.Errorf("asked only %v", asked)
	}
}

// Nothing that a hub says brings the token, or what it writes itself, into an error.
func TestTokenNotInErrors(t *testing.T) {
	for name, list := range map[string]http.HandlerFunc{
		"as commit": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"sha":%q}`, r.Header.Get("Authorization"))
		},
		"as address": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "ftp://"+token+"/"+token, http.StatusFound)
		},
		"as status":      func(w http.ResponseWriter, r *http.Request) { hijack(w, "HTTP/1.1 500 "+token+"\x1b[31m\r\n\r\n") },
		"as another one": func(w http.ResponseWriter, r *http.Request) { hijack(w, token+"\r\n\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			h := newFakeHub(t, nil)
			h.list = list
			s := h.settings(t)
			s.token = token
			if err := refused(t, s, "org/model"); strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("%q", err)
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	for _, c := range []struct{ name, to, want string }{
		{"in a circle", "", "more than 10"},
		{"to a file", "file:///etc/passwd", "neither http nor https"},
		{"to gopher", "gopher://localhost/x", "neither http nor https"},
		{"to nowhere", "http://%zz/", "cannot be reached"},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			h := newFakeHub(t, nil)
			h.list = func(w http.ResponseWriter, r *http.Request) {
				to := c.to
				if to == "" {
					to = r.URL.Path
				}
				w.Header().Set("Location", to)
				w.WriteHeader(http.StatusFound)
			}
			s := h.settings(t)
			s.patience.Tries = 1
			refused(t, s, c.want)
			if n := len(h.asked("")); n > 11 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

func TestNoRedirectFromHTTPS(t *testing.T) {
	clear := newFakeHub(t, checkpointFiles())
	secure := httptest.NewTLSServer(http.RedirectHandler(clear.URL+"/api/models/org/model/revision/main", http.StatusFound))
	t.Cleanup(secure.Close)
	s := clear.settings(t)
	s.endpoint = secure.URL
	s.transport = secure.Client().Transport.(*http.Transport)
	if err := refused(t, s, "from https to http"); !errors.Is(err, errRedirect) {
		t.Errorf("got %v", err)
	}
	if len(clear.asked("")) > 0 {
		t.Errorf("it went there: %v", clear.asked(""))
	}
	s.transport = nil // without the server's own certificate, nobody vouches for it
	refused(t, s, "certificate")
}

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		header      string
		least, most time.Duration
	}{
		{"", 0, 0},
		{"7", 7 * time.Second, 7 * time.Second},
		{time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), 58 * time.Minute, time.Hour},
		{time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat), 0, 0},
		{"-1e9", 0, 0},
		{"99999999999999999999", 0, 0},
	} {
		if got := transfer.RetryAfter(http.Header{"Retry-After": {c.header}}); got < c.least || got > c.most {
			t.Errorf("%q: %v, want %v to %v", c.header, got, c.least, c.most)
		}
	}
}

// A hub may ask for a wait, but not for a day.
func TestWaitsAsAsked(t *testing.T) {
	noLeaks(t)
	h := newFakeHub(t, checkpointFiles())
	var asked atomic.Int32
	h.list = func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) > 1 {
			w.Write(listingJSON(h.files))
			return
		}
		w.Header().Set("Retry-After", "86400")
		w.WriteHeader(http.StatusTooManyRequests)
	}
	s := h.settings(t)
	start := time.Now()
	mustResolve(t, s, h.files)
	if took := time.Since(start); took < s.patience.Asked {
		t.Errorf("it waited for %v only", took)
	}
}

// A hub that is overloaded for good is given up; where the cache seems whole, at once.
func TestOverloaded(t *testing.T) {
	h := newFakeHub(t, two())
	h.list = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }
	s := h.settings(t)
	refused(t, s, "429")
	if n := len(h.asked("")); n != s.patience.Tries {
		t.Errorf("asked %d times", n)
	}
	pythonCache(t, s.cache, two())
	mustResolve(t, s, two())
	if n := len(h.asked("")); n != s.patience.Tries+1 {
		t.Errorf("asked %d times", n)
	}
}
