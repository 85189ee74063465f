package registry

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"qimport/manifest"
)

// faulty stands between a client and a registry. It spoils the first times answers to a method below a
// kind of address, and counts all of them.
type faulty struct {
	next   http.Handler
	method string
	kind   string // blobs, uploads, manifests
	times  int
	spoil  func(w http.ResponseWriter, r *http.Request, next http.Handler)

	mu    sync.Mutex
	asked int
}

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	hit := f.spoil != nil && r.Method == f.method && strings.Contains(r.URL.Path, "/"+f.kind+"/")
	if hit {
		f.asked++
		hit = f.asked <= f.times
	}
	f.mu.Unlock()
	if hit {
		f.spoil(w, r, f.next)
		return
	}
	f.next.ServeHTTP(w, r)
}

// requests is how many came of the kind. An answer may still be on its way when a client gives up.
func (f *faulty) requests() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// answer is what the registry would say.
func answer(r *http.Request, next http.Handler) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	return rec
}

// reset closes the connection in the middle of an answer.
func reset(w http.ResponseWriter, r *http.Request, next http.Handler) {
	rec := answer(r, next)
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
	w.WriteHeader(rec.Code)
	w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func status(code int, header ...string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

// changed sends what change makes of the body, with its own length.
func changed(change func([]byte) []byte) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := answer(r, next)
		for k, v := range rec.Header() {
			if k != "Content-Length" {
				w.Header()[k] = v
			}
		}
		w.WriteHeader(rec.Code)
		w.(http.Flusher).Flush() // in chunks: no length
		w.Write(change(bytes.Clone(rec.Body.Bytes())))
	}
}

func flipped(b []byte) []byte {
	b[len(b)/2] ^= 1
	return b
}

// TestFaultsOfPulls: what another try may mend is mended; what is wrong is found, and then nothing is
// published.
func TestFaultsOfPulls(t *testing.T) {
	store, e, content := made(t)
	inner := inProcess(true)
	if _, err := pushMade(t.Context(), open(t, serve(t, inner)+"/made:v1"), store, e, content); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, kind string
		times      int
		spoil      func(http.ResponseWriter, *http.Request, http.Handler)
		want       error // nil where it comes whole
		least      time.Duration
	}{
		{"a connection that breaks", "blobs", 2, reset, nil, 0},
		{"a manifest that breaks", "manifests", 1, reset, nil, 0},
		{"500", "blobs", 2, status(500), nil, 0},
		{"429 with Retry-After", "blobs", 1, status(429, "Retry-After", "1"), nil, 200 * time.Millisecond},
		{"503 of a manifest", "manifests", 2, status(503), nil, 0},
		{"cut off, without length", "blobs", 1, changed(func(b []byte) []byte { return b[:len(b)/2] }), nil, 0},
		{"500 for ever", "blobs", 1000, status(500), ErrUnusable, 0},
		{"429 for ever", "manifests", 1000, status(429), ErrUnusable, 0},
		{"another byte", "blobs", 1, changed(flipped), ErrDamaged, 0},
		{"more bytes", "blobs", 1, changed(func(b []byte) []byte { return append(b, 0) }), ErrDamaged, 0},
		{"another manifest", "manifests", 1, changed(func(b []byte) []byte { return append(b, ' ') }), ErrDamaged, 0},
		{"403", "blobs", 1, status(403), ErrDenied, 0},
		{"404", "blobs", 1, status(404), ErrAbsent, 0},
		{"no manifest", "manifests", 1, status(404), ErrAbsent, 0},
		{"an endless manifest", "manifests", 1, changed(func([]byte) []byte { return make([]byte, manifest.MaxManifestBytes+10) }), ErrContent, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &faulty{next: inner, method: http.MethodGet, kind: c.kind, times: c.times, spoil: c.spoil}
			to := newStore(t)
			start := time.Now()
			_, _, err := pullTo(t.Context(), open(t, serve(t, f)+"/made:v1"), to)
			if took := time.Since(start); took < c.least {
				t.Errorf("it waited %v, was asked to wait", took)
			}
			if f.requests() == 0 {
				t.Fatal("nothing was spoilt")
			}
			if c.want == nil && err == nil {
				same(t, to, content)
				return
			}
			if !errors.Is(err, c.want) || err == nil {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			none(t, to)
		})
	}
}

// TestRanges: a blob that broke off goes on from where it was, and a registry without ranges sends it anew.
func TestRanges(t *testing.T) {
	store, e, content := made(t)
	inner := inProcess(true)
	if _, err := pushMade(t.Context(), open(t, serve(t, inner)+"/made:v1"), store, e, content); err != nil {
		t.Fatal(err)
	}
	big := e.Manifest.Layers[0].Digest
	b, err := os.ReadFile(store.Blob(big))
	if err != nil {
		t.Fatal(err)
	}
	for _, ranges := range []bool{true, false} {
		var mu sync.Mutex
		var asked []string
		host := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if path.Base(r.URL.Path) != big.String() {
				inner.ServeHTTP(w, r)
				return
			}
			mu.Lock()
			asked = append(asked, r.Header.Get("Range"))
			first := len(asked) == 1
			mu.Unlock()
			switch {
			case first:
				w.Header().Set("Content-Length", strconv.Itoa(len(b)))
				w.Write(b[:2<<20])
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			case ranges:
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
			default:
				w.Write(b)
			}
		}))
		to := newStore(t)
		if _, _, err := pullTo(t.Context(), open(t, host+"/made:v1"), to); err != nil {
			t.Fatal(err)
		}
		same(t, to, content)
		if len(asked) != 2 || asked[0] != "" || !strings.HasPrefix(asked[1], "bytes=") || asked[1] == "bytes=0-" {
			t.Errorf("asked %q", asked)
		}
	}
}

// TestFaultsOfPushes: an upload that broke is made anew, and one that cannot be leaves no tag.
func TestFaultsOfPushes(t *testing.T) {
	store, e, content := made(t)
	broken := func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		r.Body.Read(make([]byte, 1000))
		panic(http.ErrAbortHandler)
	}
	for _, c := range []struct {
		name, method, kind string
		times              int
		spoil              func(http.ResponseWriter, *http.Request, http.Handler)
		want               error
	}{
		{"a connection that breaks", http.MethodPut, "uploads", 2, broken, nil},
		{"a manifest that breaks", http.MethodPut, "manifests", 2, broken, nil},
		{"500 to the beginning", http.MethodPost, "uploads", 2, status(500), nil},
		{"429 with Retry-After", http.MethodPut, "uploads", 1, status(429, "Retry-After", "1"), nil},
		{"an upload that is forgotten", http.MethodPut, "uploads", 1, said(404, "BLOB_UPLOAD_UNKNOWN"), nil},
		{"spoilt on the way", http.MethodPut, "uploads", 1, said(400, "DIGEST_INVALID"), nil},
		{"500 for ever", http.MethodPut, "uploads", 1000, status(500), ErrUnusable},
		{"denied", http.MethodPost, "uploads", 1000, said(403, "DENIED"), ErrDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &faulty{next: inProcess(true), method: c.method, kind: c.kind, times: c.times, spoil: c.spoil}
			ref := serve(t, f) + "/made:v1"
			_, err := pushMade(t.Context(), open(t, ref), store, e, content)
			if f.requests() == 0 {
				t.Fatal("nothing was spoilt")
			}
			_, lookup := open(t, ref).Resolve(t.Context())
			if c.want == nil {
				if err != nil || lookup != nil {
					t.Errorf("%v, %v", err, lookup)
				}
				return
			}
			if !errors.Is(err, c.want) || !errors.Is(lookup, ErrAbsent) {
				t.Errorf("got %v, want %v; %v", err, c.want, lookup)
			}
		})
	}
}

// said is an error in the form that registries have.
func said(code int, what string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"no"}]}`, what)
	}
}

// TestDamagedHere: a blob of the store whose bytes have changed is sent to nobody.
func TestDamagedHere(t *testing.T) {
	store, e, content := made(t)
	file := store.Blob(e.Manifest.Layers[1].Digest)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, flipped(b), 0o644); err != nil {
		t.Fatal(err)
	}
	c := open(t, serve(t, inProcess(true))+"/made:v1")
	if _, err := pushMade(t.Context(), c, store, e, content); !errors.Is(err, manifest.ErrDamaged) {
		t.Errorf("pushed: %v", err)
	}
	if _, err := c.Resolve(t.Context()); !errors.Is(err, ErrAbsent) {
		t.Errorf("the tag is there: %v", err)
	}
}

// TestStall: a registry that says nothing is given up.
func TestStall(t *testing.T) {
	release := make(chan struct{})
	inner := inProcess(true)
	host := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/manifests/") {
			<-release
			return
		}
		inner.ServeHTTP(w, r)
	}))
	defer close(release)
	c := open(t, host+"/made:v1")
	c.http.Transport = carrier{newTransport(1), true, 50 * time.Millisecond}
	if _, err := c.Resolve(t.Context()); !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), "nothing came") {
		t.Errorf("got %v", err)
	}
}

// TestHostileManifests: what a manifest says is checked before a blob is asked for.
func TestHostileManifests(t *testing.T) {
	layer := func(size string) string {
		return `{"mediaType":"application/vnd.ollama.image.tensor","digest":"sha256:` + strings.Repeat("a", 64) + `","size":` + size + `,"name":"w"}`
	}
	of := func(layers string) string {
		return `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"x","digest":"","size":0},"layers":[` + layers + `]}`
	}
	for what, content := range map[string]string{
		"none":              `hello`,
		"another schema":    `{"schemaVersion":1}`,
		"a negative size":   of(layer("-1")),
		"a monstrous size":  of(layer("1152921504606846977")),
		"two sizes":         of(layer("1") + "," + layer("2")),
		"a way out":         of(strings.Replace(layer("1"), `"w"`, `"../../w"`, 1)),
		"a bad digest":      of(strings.Replace(layer("1"), "sha256:aa", "sha256:zz", 1)),
		"another algorithm": of(strings.Replace(layer("1"), "sha256:", "sha512:", 1)),
		"an image":          strings.ReplaceAll(of(layer("1")), "vnd.ollama.image.tensor", "vnd.docker.image.rootfs.diff.tar.gzip"),
		"an index":          `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`,
		"a foreign pack":    `{"schemaVersion":2,"artifactType":"` + typePack + `","layers":[]}`,
		"a monstrous pack":  `{"schemaVersion":2,"artifactType":"` + typePack + `","annotations":{"qimport.manifest":"sha256:` + strings.Repeat("b", 64) + `"},"layers":[{"digest":"sha256:` + strings.Repeat("b", 64) + `","size":99999999999}]}`,
	} {
		host := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/blobs/") {
				t.Errorf("%s: %s was asked for", what, r.URL.Path)
			}
			w.Write([]byte(content))
		}))
		if _, err := open(t, host+"/made:v1").Resolve(t.Context()); !errors.Is(err, ErrContent) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
