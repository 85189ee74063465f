package registry

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"qimport/manifest"
)

// Of a model of 1.5 GB, which has as many blobs as a small one of four bits.
const (
	benchBlobs = 200
	benchBlob  = 7_500_000
)

// BenchmarkBesideOras moves a model to Debian's docker-registry and back, on this machine: as push and pull
// do, with all that the store's rules ask of them, and as oras cp does between the registry and an OCI
// layout. It needs both programs in PATH.
//
//	go test ./manifest/registry -run '^$' -bench BesideOras -benchtime 1x -count 3
func BenchmarkBesideOras(b *testing.B) {
	registry, err := exec.LookPath("docker-registry")
	if err != nil {
		b.Skip("docker-registry is not in PATH")
	}
	oras, err := exec.LookPath("oras")
	if err != nil {
		b.Skip("oras is not in PATH")
	}
	b.Setenv("DOCKER_CONFIG", b.TempDir())
	store, e, content := benchModel(b)
	layout := b.TempDir()
	layOut(b, store, e, content, layout)
	host := startDocker(b, registry)
	var ours, theirs string // where the last push of each went: to a repository of its own, which had nothing
	pushes := 0
	fresh := func(whose string) string {
		pushes++
		return host + "/" + whose + "/model" + strconv.Itoa(pushes) + ":v1"
	}
	run := func(args ...string) {
		if out, err := exec.Command(oras, args...).CombinedOutput(); err != nil {
			b.Fatalf("oras %v: %v\n%s", args, err, out)
		}
	}
	for _, c := range []struct {
		name string
		move func()
	}{
		{"push", func() {
			ours = fresh("ours")
			if _, err := pushMade(b.Context(), open(b, ours), store, e, content); err != nil {
				b.Fatal(err)
			}
		}},
		{"push by oras", func() {
			theirs = fresh("theirs")
			run("cp", "--from-oci-layout", layout+":v1", "--to-plain-http", theirs)
		}},
		{"pull", func() {
			to := newStore(b)
			if _, _, err := pullTo(b.Context(), open(b, ours), to); err != nil {
				b.Fatal(err)
			}
			os.RemoveAll(to.Root())
		}},
		{"pull by oras", func() {
			dir := b.TempDir()
			run("cp", "--from-plain-http", theirs, "--to-oci-layout", dir+":v1")
			os.RemoveAll(dir)
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(e.Manifest.Bytes())
			for range b.N {
				c.move()
			}
		})
	}
}

// benchModel is a store with a large model of random bytes.
func benchModel(b *testing.B) (*manifest.Store, manifest.Entry, []byte) {
	store := newStore(b)
	st, err := store.Stage("bench")
	if err != nil {
		b.Fatal(err)
	}
	random := rand.NewChaCha8([32]byte{2})
	bytes := make([]byte, benchBlob)
	var layers []manifest.Layer
	for i := range benchBlobs {
		random.Read(bytes)
		l, err := st.Put(string(rune('a'+i)), manifest.MediaTypeTensor, "tensor", bytes)
		if err != nil {
			b.Fatal(err)
		}
		layers = append(layers, l)
	}
	config, err := st.Put("config", manifest.MediaTypeConfig, "", []byte("{}"))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := st.Publish(b.Context(), name(b, "bench"), manifest.New(config, layers)); err != nil {
		b.Fatal(err)
	}
	e, content, err := store.Content(name(b, "bench"))
	if err != nil {
		b.Fatal(err)
	}
	return store, e, content
}

// layOut makes an OCI layout of the same blobs.
func layOut(b *testing.B, store *manifest.Store, e manifest.Entry, content []byte, dir string) {
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		b.Fatal(err)
	}
	for _, l := range e.Manifest.Blobs() {
		if err := os.Link(store.Blob(l.Digest), filepath.Join(blobs, l.Digest.Hex())); err != nil {
			b.Fatal(err)
		}
	}
	root := describe(e.Manifest.MediaType, e.Digest, int64(len(content)))
	root.Annotations = map[string]string{ocispec.AnnotationRefName: "v1"}
	index, err := json.Marshal(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{root}})
	if err != nil {
		b.Fatal(err)
	}
	for file, text := range map[string][]byte{"blobs/sha256/" + e.Digest.Hex(): content, "index.json": index, "oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)} {
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			b.Fatal(err)
		}
	}
}
