package registry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	memory "github.com/google/go-containerregistry/pkg/registry"

	"qimport/internal/transfer"
	"qimport/manifest"
)

// kind is a registry that the tests run against.
type kind struct {
	name  string
	start func(t *testing.T) (host string)
}

// kinds are registries in this process, with a list of referrers and without, and real ones: the one that
// QIMPORT_REGISTRY is the HOST:PORT of, and Debian's docker-registry where it is installed.
func kinds(t *testing.T) []kind {
	all := []kind{
		{"in process", func(t *testing.T) string { return serve(t, inProcess(true)) }},
		{"in process, old", func(t *testing.T) string { return serve(t, inProcess(false)) }},
	}
	if host := os.Getenv("QIMPORT_REGISTRY"); host != "" {
		all = append(all, kind{"QIMPORT_REGISTRY", func(*testing.T) string { return host }})
	}
	if program, err := exec.LookPath("docker-registry"); err == nil {
		all = append(all, kind{"docker-registry", func(t *testing.T) string { return startDocker(t, program) }})
	} else {
		t.Log("there is no docker-registry here: these are the registries in this process alone")
	}
	return all
}

func inProcess(referrers bool) http.Handler {
	return memory.New(memory.WithReferrersSupport(referrers), memory.Logger(log.New(io.Discard, "", 0)))
}

// serve is the host of a server with that handler.
func serve(t *testing.T, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// startDocker runs Debian's registry over a folder of its own.
func startDocker(t testing.TB, program string) string {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := free.Addr().String()
	free.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yml")
	text := "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: " + dir + "/data}}\nhttp: {addr: '" + host + "'}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "serve", config)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("docker-registry: %s", &said)
		}
	})
	for range 100 {
		if c, err := net.Dial("tcp", host); err == nil {
			c.Close()
			return host
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("docker-registry does not listen")
	return ""
}

// quick is a patience for tests.
func quick() transfer.Patience {
	return transfer.Patience{Tries: 3, First: time.Millisecond, Longest: 5 * time.Millisecond, Asked: 200 * time.Millisecond, Stall: 10 * time.Second}
}

func parse(t testing.TB, s string) Reference {
	t.Helper()
	r, err := ParseReference(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// open is a client whose credentials are those of an empty folder, unless the test has set another.
func open(t testing.TB, ref string) *Client {
	t.Helper()
	if os.Getenv("DOCKER_CONFIG") == "" {
		t.Setenv("DOCKER_CONFIG", t.TempDir())
	}
	c, err := Connect(t.Context(), parse(t, ref), Options{Patience: quick()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func name(t testing.TB, s string) manifest.Name {
	t.Helper()
	n, err := manifest.ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func newStore(t testing.TB) *manifest.Store {
	t.Helper()
	s, err := manifest.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sizes are those of the made model's tensors.
var sizes = []int{3 << 20, 2 << 20, 700_000, 1, 0}

// made is a store with the model "made", of random tensors.
func made(t *testing.T) (*manifest.Store, manifest.Entry, []byte) {
	t.Helper()
	store := newStore(t)
	st, err := store.Stage("made")
	if err != nil {
		t.Fatal(err)
	}
	put := func(mediaType, name string, b []byte) manifest.Layer {
		l, err := st.Put(name, mediaType, name, b)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	random := rand.NewChaCha8([32]byte{1})
	var layers []manifest.Layer
	for i, size := range sizes {
		b := make([]byte, size)
		random.Read(b)
		layers = append(layers, put(manifest.MediaTypeTensor, "model.layers."+string(rune('0'+i))+".weight", b))
	}
	layers = append(layers, put(manifest.MediaTypeJSON, "config.json", []byte(`{"model_type":"qwen3"}`)), put(manifest.MediaTypeLicense, "LICENSE", []byte("Do what you like.\n")))
	config := put(manifest.MediaTypeConfig, "", manifest.Config{ModelFormat: "safetensors", ModelFamily: "qwen3", FileType: "nvfp4"}.Encode())
	if _, err := st.Publish(t.Context(), name(t, "made"), manifest.New(config, layers)); err != nil {
		t.Fatal(err)
	}
	e, content, err := store.Content(name(t, "made"))
	if err != nil {
		t.Fatal(err)
	}
	return store, e, content
}

// pushMade pushes the made model.
func pushMade(ctx context.Context, c *Client, store *manifest.Store, e manifest.Entry, content []byte) (Sent, error) {
	sent, err := c.Send(ctx, store, e.Manifest.Blobs(), nil)
	if err == nil {
		err = c.Point(ctx, e.Manifest.MediaType, content)
	}
	return sent, err
}

// pullTo pulls into a store under the name "pulled", and says how many bytes were fetched.
func pullTo(ctx context.Context, c *Client, store *manifest.Store) (fetched int64, r Remote, err error) {
	if r, err = c.Resolve(ctx); err != nil {
		return 0, r, err
	}
	st, err := store.Stage("pull-" + manifest.DigestOf(r.Content).Hex())
	if err != nil {
		return 0, r, err
	}
	defer st.Keep()
	missing, err := Missing(ctx, st, r.Manifest)
	if err != nil {
		return 0, r, err
	}
	for _, l := range missing {
		fetched += l.Size
	}
	if err := c.Fetch(ctx, st, missing, nil); err != nil {
		return fetched, r, err
	}
	n, err := manifest.ParseName("pulled")
	if err == nil {
		_, err = st.PublishBytes(ctx, n, r.Content)
	}
	return fetched, r, err
}

// same holds a store's model to the bytes of the made one.
func same(t *testing.T, store *manifest.Store, want []byte) {
	t.Helper()
	e, content, err := store.Content(name(t, "pulled"))
	if err != nil || !bytes.Equal(content, want) {
		t.Fatalf("the manifest has other bytes: %v", err)
	}
	for _, l := range e.Manifest.Blobs() {
		b, err := os.ReadFile(store.Blob(l.Digest))
		if err != nil || manifest.DigestOf(b) != l.Digest {
			t.Errorf("blob %s (%s): %v", l.Digest, l.Name, err)
		}
	}
}

// none holds that a store has no model, and no blob either.
func none(t *testing.T, store *manifest.Store) {
	t.Helper()
	if entries, err := store.List(); len(entries) > 0 || err != nil {
		t.Errorf("the store has %v, %v", entries, err)
	}
	if blobs, _ := filepath.Glob(filepath.Join(store.Root(), "blobs", "*")); len(blobs) > 0 {
		t.Errorf("the store has blobs: %v", blobs)
	}
}

// TestRoundTrip: what was pushed comes back byte for byte, nothing is sent or fetched twice, and what was
// put beside it is found.
func TestRoundTrip(t *testing.T) {
	store, e, content := made(t)
	for _, k := range kinds(t) {
		t.Run(k.name, func(t *testing.T) {
			ref := k.start(t) + "/team/made:v1"
			c := open(t, ref)
			if c.Dialect != OCI {
				t.Fatalf("it speaks %s", c.Dialect)
			}
			sent, err := pushMade(t.Context(), c, store, e, content)
			if err != nil || os.Getenv("QIMPORT_REGISTRY") == "" && sent.Bytes != e.Manifest.Bytes() {
				t.Fatalf("sent %+v of %d bytes, %v", sent, e.Manifest.Bytes(), err)
			}
			if sent, err = pushMade(t.Context(), c, store, e, content); err != nil || sent != (Sent{Reused: e.Manifest.Bytes()}) {
				t.Fatalf("sent again: %+v, %v", sent, err)
			}
			to := newStore(t)
			if n, _, err := pullTo(t.Context(), open(t, ref), to); err != nil || n != e.Manifest.Bytes() {
				t.Fatalf("fetched %d bytes, %v", n, err)
			}
			same(t, to, content)
			if n, _, err := pullTo(t.Context(), open(t, ref), to); err != nil || n != 0 {
				t.Errorf("fetched again: %d bytes, %v", n, err)
			}
			byDigest := open(t, strings.TrimSuffix(ref, ":v1")+"@"+e.Digest.String())
			if r, err := byDigest.Resolve(t.Context()); err != nil || r.Digest != e.Digest {
				t.Errorf("by digest: %s, %v", r.Digest, err)
			}
			attached(t, c, e)
		})
	}
}

// attached puts files beside the made model, and finds them again.
func attached(t *testing.T, c *Client, e manifest.Entry) {
	t.Helper()
	subject := Subject(e.Manifest.MediaType, e.Digest, 1234)
	one := Attachment{Type: "application/vnd.test.one", Name: "one.json", Content: []byte(`{"one":1}`)}
	two := Attachment{Type: "application/vnd.test.two", Name: "two.json", Content: []byte(`{"two":2}`), About: map[string]string{"test": "two"}}
	for _, a := range []Attachment{one, two, one} {
		if _, err := c.Attach(t.Context(), subject, a); err != nil {
			t.Fatal(err)
		}
	}
	other := open(t, c.ref.String())
	got, err := other.Attached(t.Context(), subject, one.Type)
	if err != nil || len(got) != 1 || got[0].Name != one.Name || !bytes.Equal(got[0].Content, one.Content) {
		t.Errorf("found %v, %v", got, err)
	}
	if got, err := other.Attached(t.Context(), subject, "application/vnd.test.none"); err != nil || len(got) != 0 {
		t.Errorf("found %v, %v", got, err)
	}
}

// TestModelPack: in ModelPack's form a model has the same blobs, and comes back as the one that it was.
func TestModelPack(t *testing.T) {
	store, e, content := made(t)
	for _, k := range kinds(t) {
		t.Run(k.name, func(t *testing.T) {
			ref := k.start(t) + "/team/packed:v1"
			c := open(t, ref)
			pack, config, err := Pack(e.Name, content, e.Manifest, manifest.Config{ModelFamily: "qwen3"})
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range [][]byte{config, content} {
				if err := c.SendBytes(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := c.Send(t.Context(), store, e.Manifest.Blobs(), nil); err != nil {
				t.Fatal(err)
			}
			if err := c.Point(t.Context(), "application/vnd.oci.image.manifest.v1+json", pack); err != nil {
				t.Fatal(err)
			}
			to := newStore(t)
			_, r, err := pullTo(t.Context(), open(t, ref), to)
			if err != nil || !r.ModelPack || r.Digest != manifest.DigestOf(pack) {
				t.Fatalf("%+v, %v", r, err)
			}
			same(t, to, content)
		})
	}
}

// TestResumed: what has come whole stays when a pull ends, and is not fetched again.
func TestResumed(t *testing.T) {
	store, e, content := made(t)
	var mu sync.Mutex
	var broken string // a blob that cannot be had
	inner := inProcess(true)
	host := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		b := broken
		mu.Unlock()
		if b != "" && strings.HasSuffix(r.URL.Path, b) && r.Method == http.MethodGet {
			time.Sleep(300 * time.Millisecond) // until the others have come
			http.Error(w, "broken", http.StatusInternalServerError)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	c := open(t, host+"/made:v1")
	if _, err := pushMade(t.Context(), c, store, e, content); err != nil {
		t.Fatal(err)
	}
	small := e.Manifest.Layers[2]
	mu.Lock()
	broken = small.Digest.String()
	mu.Unlock()
	to := newStore(t)
	if _, _, err := pullTo(t.Context(), c, to); !errors.Is(err, ErrUnusable) {
		t.Fatalf("pulled with a broken blob: %v", err)
	}
	none(t, to)
	mu.Lock()
	broken = ""
	mu.Unlock()
	if n, _, err := pullTo(t.Context(), c, to); err != nil || n != small.Size {
		t.Errorf("fetched %d bytes, want the %d of the one blob: %v", n, small.Size, err)
	}
	same(t, to, content)
}
