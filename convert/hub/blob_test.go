package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"qimport/internal/transfer"
)

const shardName = "model.safetensors"

// hijack answers with bytes as they are, and hangs up.
func hijack(w http.ResponseWriter, bytes string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	io.WriteString(conn, bytes)
	conn.Close()
}

// once misbehaves for the first request for the shard, and for the others not.
func once(misbehave func(w http.ResponseWriter, body string)) func(http.ResponseWriter, *http.Request, string, string) bool {
	var asked atomic.Int32
	return func(w http.ResponseWriter, _ *http.Request, name, body string) bool {
		if name != shardName || asked.Add(1) > 1 {
			return false
		}
		misbehave(w, body)
		return true
	}
}

func head(length int) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", length)
}

// Each of these breaks off once. What came stays, and only the rest is asked for.
func TestResumes(t *testing.T) {
	const at = 70_000
	rest := fmt.Sprintf("bytes=%d-", at)
	for _, c := range []struct {
		name      string
		misbehave func(w http.ResponseWriter, body string)
		rng       string // of the second request
	}{
		{"with Content-Length", func(w http.ResponseWriter, body string) { hijack(w, head(len(body))+body[:at]) }, rest},
		{"without Content-Length", func(w http.ResponseWriter, body string) { hijack(w, "HTTP/1.0 200 OK\r\n\r\n"+body[:at]) }, rest},
		{"in pieces that end well", func(w http.ResponseWriter, body string) {
			hijack(w, fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", at, body[:at]))
		}, rest},
		{"before a byte came", func(w http.ResponseWriter, body string) { hijack(w, "") }, ""},
		{"after the head", func(w http.ResponseWriter, body string) { hijack(w, head(len(body))) }, ""},
		{"503", func(w http.ResponseWriter, body string) { w.WriteHeader(http.StatusServiceUnavailable) }, ""},
		{"a range that nobody asked for", func(w http.ResponseWriter, body string) {
			w.Header().Set("Content-Range", "bytes 5-9/10")
			w.WriteHeader(http.StatusPartialContent)
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			h := newFakeHub(t, checkpointFiles())
			h.serve = once(c.misbehave)
			if c.name == "a range that nobody asked for" {
				refused(t, h.settings(t), "206")
				return
			}
			mustResolve(t, h.settings(t), h.files)
			asked := h.asked(shardName)
			if len(asked) != 2 || asked[0].rng != "" || asked[1].rng != c.rng {
				t.Errorf("asked %v, want twice, at last for %q", asked, c.rng)
			}
		})
	}
}

// What an earlier run left is gone on from, whatever the server makes of it.
func TestLeftByAnEarlierRun(t *testing.T) {
	body := checkpointFiles()[shardName]
	for _, c := range []struct {
		name, left string
		serve      func(w http.ResponseWriter, r *http.Request, name, body string) bool
		ranges     []string
	}{
		{"a part", body[:1000], nil, []string{"bytes=1000-"}},
		{"all", body, nil, nil},
		{"too much", body + "x", nil, []string{""}},
		{"another file's part", strings.Repeat("x", 1000), nil, []string{"bytes=1000-", ""}},
		{"another file", strings.Repeat("x", len(body)), nil, []string{""}},
		{"no ranges here", body[:1000], func(w http.ResponseWriter, r *http.Request, name, body string) bool {
			io.WriteString(w, body)
			return true
		}, []string{"bytes=1000-"}},
		{"416", body[:1000], func(w http.ResponseWriter, r *http.Request, name, body string) bool {
			if r.Header.Get("Range") != "" {
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				return true
			}
			return false
		}, []string{"bytes=1000-", ""}},
		{"another range", body[:1000], func(w http.ResponseWriter, r *http.Request, name, body string) bool {
			if r.Header.Get("Range") != "" {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 10-%d/%d", len(body)-1, len(body)))
				w.WriteHeader(http.StatusPartialContent)
				io.WriteString(w, body[10:])
				return true
			}
			return false
		}, []string{"bytes=1000-", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			h := newFakeHub(t, checkpointFiles())
			h.serve = c.serve
			s := h.settings(t)
			write(t, filepath.Join(s.cache, "models--org--model/blobs", oidOf(shardName, body)+incomplete), c.left)
			mustResolve(t, s, h.files)
			var ranges []string
			for _, r := range h.asked(shardName) {
				ranges = append(ranges, r.rng)
			}
			if fmt.Sprint(ranges) != fmt.Sprint(c.ranges) {
				t.Errorf("asked for ranges %q, want %q", ranges, c.ranges)
			}
		})
	}
}

// Bytes that are not the listed ones never get a name.
func TestDamaged(t *testing.T) {
	for _, c := range []struct {
		name, file string
		serve      func(w http.ResponseWriter, body string)
		want       string
	}{
		{"other bytes in a shard", shardName, func(w http.ResponseWriter, body string) { io.WriteString(w, strings.ToUpper(body)) }, "digest"},
		{"other bytes in a config", "config.json", func(w http.ResponseWriter, body string) { io.WriteString(w, "[]") }, "digest"},
		{"fewer bytes", shardName, func(w http.ResponseWriter, body string) { hijack(w, head(10)+body[:10]) }, "the hub sends 10 bytes"},
		{"more bytes", shardName, func(w http.ResponseWriter, body string) { hijack(w, head(len(body)+1)+body+"x") }, "the hub sends"},
		{"more bytes, without saying so", shardName, func(w http.ResponseWriter, body string) { hijack(w, "HTTP/1.0 200 OK\r\n\r\n"+body+"x") }, "more than the"},
		{"bytes without end", shardName, func(w http.ResponseWriter, body string) {
			for _, err := io.WriteString(w, body); err == nil; _, err = io.WriteString(w, body) {
			}
		}, "more than the"},
		{"a page of a hotel", "config.json", func(w http.ResponseWriter, body string) { io.WriteString(w, "<html>log in</html>") }, "the hub sends 19 bytes"},
		{"compressed", "config.json", func(w http.ResponseWriter, body string) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, "\x1f\x8b")
		}, "digest"},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			h := newFakeHub(t, checkpointFiles())
			h.serve = func(w http.ResponseWriter, _ *http.Request, name, body string) bool {
				if name == c.file {
					c.serve(w, body)
				}
				return name == c.file
			}
			s := h.settings(t)
			err := refused(t, s, c.want)
			if !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), c.file) {
				t.Errorf("got %v", err)
			}
			repo := filepath.Join(s.cache, "models--org--model")
			for _, name := range filesUnder(t, repo) {
				if strings.Contains(name, oidOf(c.file, h.files[c.file])) || strings.HasPrefix(name, "refs") || strings.HasPrefix(name, "snapshots") {
					t.Errorf("%s was left", name)
				}
			}
			s.offline = true
			refused(t, s, "HF_HUB_OFFLINE")
			s.offline = false
			h.behave()
			mustResolve(t, s, h.files)
		})
	}
}

// A hub that always breaks off at the same place is given up, and what came stays for another day.
func TestGivesUp(t *testing.T) {
	noLeaks(t)
	h := newFakeHub(t, checkpointFiles())
	h.serve = func(w http.ResponseWriter, r *http.Request, name, body string) bool {
		if name != shardName {
			return false
		}
		if r.Header.Get("Range") != "" {
			hijack(w, "")
			return true
		}
		hijack(w, head(len(body))+body[:5000])
		return true
	}
	s := h.settings(t)
	err := refused(t, s, "what is finished stays in the cache, try again")
	if n := len(h.asked(shardName)); n < s.patience.Tries || errors.Is(err, errDamaged) {
		t.Errorf("asked %d times, %v", n, err)
	}
	h.behave()
	mustResolve(t, s, h.files)
	if asked := h.asked(shardName); asked[len(asked)-1].rng != "bytes=5000-" {
		t.Errorf("at last it asked for %q", asked[len(asked)-1].rng)
	}
}

func TestStall(t *testing.T) {
	for _, c := range []struct {
		name string
		sent func(w http.ResponseWriter, body string)
	}{
		{"before the head", func(http.ResponseWriter, string) {}},
		{"in the body", func(w http.ResponseWriter, body string) {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			io.WriteString(w, body[:100])
			w.(http.Flusher).Flush()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			h := newFakeHub(t, checkpointFiles())
			h.serve = func(w http.ResponseWriter, r *http.Request, name, body string) bool {
				if name != shardName {
					return false
				}
				c.sent(w, body)
				<-r.Context().Done()
				return true
			}
			s := h.settings(t)
			s.patience.Stall = 50 * time.Millisecond
			if err := refused(t, s, transfer.ErrStalled.Error()); errors.Is(err, context.Canceled) {
				t.Errorf("a stall looks like a user's interrupt: %v", err)
			}
		})
	}
}

// Wherever a fetch is, it ends within a second of its context.
func TestCancel(t *testing.T) {
	wait := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for _, c := range []struct {
		name  string
		begin func(t *testing.T, h *fakeHub, s *settings)
	}{
		{"listing", func(t *testing.T, h *fakeHub, s *settings) { h.list = wait }},
		{"between tries", func(t *testing.T, h *fakeHub, s *settings) {
			s.patience.First = time.Hour
			h.list = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
		}},
		{"a body", func(t *testing.T, h *fakeHub, s *settings) {
			h.serve = func(w http.ResponseWriter, r *http.Request, name, body string) bool {
				io.WriteString(w, body[:1])
				w.(http.Flusher).Flush()
				wait(w, r)
				return true
			}
		}},
		{"a lock of another process", func(t *testing.T, h *fakeHub, s *settings) {
			f, err := makeFolder(s.cache, "org/model")
			if err != nil {
				t.Fatal(err)
			}
			unlock, err := f.lock(t.Context(), oidOf(shardName, h.files[shardName]))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				unlock()
				f.close()
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			h := newFakeHub(t, checkpointFiles())
			s := h.settings(t)
			c.begin(t, h, &s)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(100*time.Millisecond, cancel)
			start := time.Now()
			if err := refusedBy(t, ctx, s, "context canceled"); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// Several at once ask for each file once between them.
func TestSideBySide(t *testing.T) {
	noLeaks(t)
	h := newFakeHub(t, checkpointFiles())
	s := h.settings(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := resolve(t.Context(), s, model, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, name := range []string{shardName, "config.json", "chat_template.jinja"} {
		if n := len(h.asked(name)); n != 1 {
			t.Errorf("%s was asked for %d times", name, n)
		}
	}
	mustResolve(t, s, h.files)
	for _, name := range filesUnder(t, s.cache) {
		if strings.HasSuffix(name, incomplete) || strings.Contains(name, "qimport/.") {
			t.Errorf("%s was left", name)
		}
	}
}

// Two files with the same content are one blob, also while both are fetched.
func TestSameContent(t *testing.T) {
	h := newFakeHub(t, checkpointFiles())
	h.files["a.json"], h.files["b.json"] = "[1]", "[1]"
	h.files["empty.json"] = ""
	s := h.settings(t)
	var done, total int64
	if _, err := resolve(t.Context(), s, model, func(d, all int64) { done, total = d, all }); err != nil || done != total {
		t.Errorf("told of %d of %d, %v", done, total, err)
	}
	mustResolve(t, s, h.files)
	if n := len(h.asked("a.json")) + len(h.asked("b.json")); n != 1 {
		t.Errorf("asked %d times", n)
	}
	if n := len(h.asked("empty.json")); n != 0 {
		t.Errorf("asked %d times for nothing", n)
	}
}

// An unfinished fetch is known to be one, also where names and the index say otherwise.
func TestInterrupted(t *testing.T) {
	h := newFakeHub(t, checkpointFiles())
	h.serve = func(w http.ResponseWriter, _ *http.Request, name, _ string) bool {
		if name == "chat_template.jinja" {
			w.WriteHeader(http.StatusNotFound)
		}
		return name == "chat_template.jinja"
	}
	s := h.settings(t)
	refused(t, s, "chat_template.jinja")
	if _, err := os.Stat(filepath.Join(s.cache, "models--org--model/refs/main")); err == nil {
		t.Error("the ref was written before the snapshot was whole")
	}
	s.offline = true
	for _, revision := range []string{"main", commit} {
		if _, err := resolve(t.Context(), s, Reference{ID: "org/model", Revision: revision}, nil); err == nil {
			t.Errorf("%s was taken", revision)
		}
	}
}
