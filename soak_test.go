package qimport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"qimport/manifest"
	"qimport/quant"
)

// soakMinutes says in the environment how long TestSoak runs.
const soakMinutes = "QIMPORT_SOAK_MINUTES"

// TestSoak imports, removes, collects and checks over one store for minutes, beside what Ollama does to
// it: its rm, and the pruning of its start. At every moment each name is whole, or is being removed.
func TestSoak(t *testing.T) {
	minutes, err := strconv.ParseFloat(os.Getenv(soakMinutes), 64)
	if err != nil {
		t.Skip(soakMinutes + " is not set; make soak sets it")
	}
	root := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(minutes*float64(time.Minute)))
	defer cancel()
	s := soak{root: root, seen: map[string]int{}}
	var g errgroup.Group
	for worker, work := range []func(context.Context, *manifest.Store, *rand.Rand) (string, error){
		s.imports, s.imports, s.collects, s.removes, s.ollamaRemoves, s.ollamaStarts, s.looks,
	} {
		g.Go(func() error {
			chance := rand.New(rand.NewPCG(uint64(worker), 9))
			store, err := manifest.Open(root)
			for err == nil && ctx.Err() == nil {
				var what string
				if what, err = work(ctx, store, chance); err != nil && ctx.Err() == nil {
					return fmt.Errorf("%s: %w", what, err)
				}
				s.count(what)
				err = nil
				time.Sleep(time.Duration(chance.IntN(50)) * time.Millisecond)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	t.Logf("%v", s.seen)
	store := openStore(t, root)
	if _, err := store.GC(t.Context(), manifest.GCOptions{Interrupted: true}); err != nil {
		t.Error(err)
	}
	r, err := store.Check(t.Context(), nil)
	if err != nil || r.Err() != nil || r.Unnamed != 0 {
		t.Errorf("at the end: %v, %v, %d blobs without a name", err, r.Err(), r.Unnamed)
	}
	if left, err := os.ReadDir(filepath.Join(root, "qimport-staging")); err != nil || len(left) > 1 {
		t.Errorf("staging holds %v, %v", left, err)
	}
}

// soak is what goes on at once over one store.
type soak struct {
	root string
	mu   sync.Mutex
	seen map[string]int
}

func (s *soak) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[what]++
}

var soakNames = []string{"a", "b", "c:x"}

// imports brings a model in. That somebody removes its name or its blobs under it is said, not hidden.
func (s *soak) imports(ctx context.Context, store *manifest.Store, chance *rand.Rand) (string, error) {
	formats := []quant.Format{{}, quant.FormatNVFP4, quant.FormatMXFP8}
	o := unverified(dense, formats[chance.IntN(len(formats))])
	o.Name = soakNames[chance.IntN(len(soakNames))]
	o.KeepUnchanged = chance.IntN(2) == 0
	limited, cancel := context.WithTimeout(ctx, time.Duration(50+chance.IntN(3000))*time.Millisecond) // some are interrupted
	defer cancel()
	_, err := Import(limited, store, o)
	switch {
	case limited.Err() != nil:
		return "import interrupted", nil
	case errors.Is(err, manifest.ErrMissingBlob), err != nil && strings.Contains(err.Error(), "removed by another program"):
		return "import beside a removal", nil
	}
	return "import", err
}

func (s *soak) collects(ctx context.Context, store *manifest.Store, chance *rand.Rand) (string, error) {
	_, err := store.GC(ctx, manifest.GCOptions{Interrupted: chance.IntN(3) == 0})
	return "gc", err
}

func (s *soak) removes(ctx context.Context, store *manifest.Store, chance *rand.Rand) (string, error) {
	time.Sleep(time.Duration(chance.IntN(1000)) * time.Millisecond)
	name, err := manifest.ParseName(soakNames[chance.IntN(len(soakNames))])
	if err == nil {
		_, err = store.Remove(ctx, name)
	}
	if errors.Is(err, manifest.ErrNotFound) {
		return "rm of nothing", nil
	}
	return "rm", err
}

// ollamaRemoves is ollama rm: by paths, with no lock.
func (s *soak) ollamaRemoves(_ context.Context, store *manifest.Store, chance *rand.Rand) (string, error) {
	time.Sleep(time.Duration(chance.IntN(1000)) * time.Millisecond)
	name, err := manifest.ParseName(soakNames[chance.IntN(len(soakNames))])
	if err != nil {
		return "ollama rm", err
	}
	m, err := store.Manifest(name)
	if err != nil {
		return "ollama rm of nothing", nil
	}
	os.Remove(filepath.Join(s.root, "manifests", name.Host, name.Namespace, name.Model, name.Tag))
	s.pruneFolders(filepath.Join(s.root, "manifests"))
	for _, l := range m.Blobs() {
		if entries, _ := store.List(); !names(entries, l.Digest) {
			os.Remove(store.Blob(l.Digest))
		}
	}
	return "ollama rm", nil
}

func names(entries []manifest.Entry, d manifest.Digest) bool {
	for _, e := range entries {
		for _, l := range e.Manifest.Blobs() {
			if l.Digest == d {
				return true
			}
		}
	}
	return false
}

func (s *soak) pruneFolders(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			s.pruneFolders(filepath.Join(dir, e.Name()))
		}
	}
	os.Remove(dir) // fails where something is in it
}

// ollamaStarts is the start of a server, to which some blobs look older than an hour.
func (s *soak) ollamaStarts(_ context.Context, store *manifest.Store, chance *rand.Rand) (string, error) {
	time.Sleep(time.Duration(chance.IntN(500)) * time.Millisecond)
	entries, err := store.List()
	if err != nil {
		return "ollama's start, which leaves all", nil
	}
	blobs, _ := os.ReadDir(filepath.Join(s.root, "blobs"))
	for _, b := range blobs {
		path := filepath.Join(s.root, "blobs", b.Name())
		info, err := os.Stat(path)
		d, bad := manifest.ParseDigest(b.Name())
		if err == nil && bad == nil && time.Since(info.ModTime()) > 5*time.Second && !names(entries, d) {
			os.Remove(path)
		}
	}
	s.pruneFolders(filepath.Join(s.root, "manifests"))
	return "ollama's start", nil
}

// looks reads every name and its blobs. What is damaged is looked at again after a moment: a removal
// under way may have taken it, or an import be about to put it back.
func (s *soak) looks(ctx context.Context, store *manifest.Store, _ *rand.Rand) (string, error) {
	for try := 0; ; try++ {
		r, err := store.Check(ctx, nil)
		if err == nil {
			err = r.Err()
		}
		if err == nil || try == 20 {
			return "check", err
		}
		time.Sleep(100 * time.Millisecond)
	}
}
