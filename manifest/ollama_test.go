package manifest

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// ollama does to a store what Ollama does, as it does it: by paths, with no lock.
type ollama struct{ s *Store }

// manifests is every manifest that can be read, and whether all can.
func (o ollama) manifests() (all []Manifest, whole bool) {
	paths, _ := filepath.Glob(filepath.Join(o.s.manifestsDir(), "*", "*", "*", "*"))
	whole = true
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		m, err := Parse(b)
		if err != nil {
			whole = false
			continue
		}
		all = append(all, m)
	}
	return all, whole
}

func needs(all []Manifest, d Digest) bool {
	for _, m := range all {
		for _, l := range m.Blobs() {
			if l.Digest == d {
				return true
			}
		}
	}
	return false
}

// rm removes a name, then empty folders, then of its blobs each that no manifest names, which it
// looks up for each; pause is how long it thinks about each.
func (o ollama) rm(n Name, pause time.Duration) {
	m, err := o.s.Manifest(n)
	if err != nil {
		return
	}
	os.Remove(o.s.manifestPath(n))
	o.pruneFolders(o.s.manifestsDir())
	for _, l := range m.Blobs() {
		all, _ := o.manifests()
		time.Sleep(pause)
		if !needs(all, l.Digest) {
			os.Remove(o.s.Blob(l.Digest))
		}
	}
}

// pruneFolders removes folders that are empty, dir among them.
func (o ollama) pruneFolders(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() {
			o.pruneFolders(filepath.Join(dir, e.Name()))
		}
	}
	os.Remove(dir) // fails where something is in it
}

// start removes, as a server does at its start, blobs without a name that are older than an hour.
func (o ollama) start() {
	all, whole := o.manifests()
	if !whole {
		return
	}
	entries, _ := os.ReadDir(o.s.blobsDir())
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < time.Hour {
			continue
		}
		if d, ok := blobOf(e.Name()); ok && !needs(all, d) {
			os.Remove(filepath.Join(o.s.blobsDir(), e.Name()))
		}
	}
	o.pruneFolders(o.s.manifestsDir())
}

// TestPublishedBesideOllamaRm imports over a name, and one that shares its blobs, while Ollama removes
// it, again and again: whatever name there is, is whole.
func TestPublishedBesideOllamaRm(t *testing.T) {
	s := openStore(t, t.TempDir())
	s.tick = clockTick
	rounds := 100
	if testing.Short() {
		rounds = 15
	}
	chance := rand.New(rand.NewPCG(3, 4))
	gone := 0
	for range rounds {
		put(t, s, "m", versionOne)
		delay, pause := time.Duration(chance.IntN(15000))*time.Microsecond, time.Duration(chance.IntN(3000))*time.Microsecond
		var g errgroup.Group
		g.Go(func() error {
			time.Sleep(delay)
			ollama{s}.rm(mustName(t, "m"), pause)
			return nil
		})
		g.Go(func() error {
			_, err := importModel(s, "two", "m", versionTwo)
			if errors.Is(err, errRemoved) {
				gone++
				return nil
			}
			return err
		})
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		checkStore(t, s)
		if _, err := importModel(s, "two", "m", versionTwo); err != nil {
			t.Fatal(err)
		}
		checkStore(t, s)
	}
	t.Logf("%d of %d names were removed under the import, and said so", gone, rounds)
}

// TestImportSurvivesOllamasStart: what it has written waits where Ollama does not look, and what it
// reuses has a second name there, however long it takes.
func TestImportSurvivesOllamasStart(t *testing.T) {
	s := openStore(t, t.TempDir())
	orphan(t, s, "old", versionOne)
	st := openStage(t, s, "fp")
	l := Layer{MediaTypeTensor, DigestOf([]byte("of one")), 6, "b"}
	if !st.Reuse(context.Background(), "b", l) {
		t.Fatal("not reused")
	}
	config := stagePut(t, st, "config", "{ }")
	age(t, s, 2*Grace)
	ollama{s}.start()
	if n := countFiles(t, s.blobsDir()); n != 0 {
		t.Errorf("%d blobs are left", n)
	}
	if _, err := st.Publish(context.Background(), mustName(t, "m"), New(config, []Layer{l})); err != nil {
		t.Fatal(err)
	}
	ollama{s}.start()
	checkStore(t, s)
}

// TestBlobsRemovedAfterTheNameMovedArePutBack: at the last moment.
func TestBlobsRemovedAfterTheNameMovedArePutBack(t *testing.T) {
	s := openStore(t, t.TempDir())
	put(t, s, "m", versionOne)
	moved := false
	s.files.before = func(op step, path string) error {
		if moved {
			return nil
		}
		if moved = op == stepSyncDir && path == filepath.Dir(s.manifestPath(mustName(t, "m"))); moved {
			for _, content := range versionTwo {
				os.Remove(s.Blob(DigestOf([]byte(content))))
			}
		}
		return nil
	}
	put(t, s, "m", versionTwo)
	if !moved {
		t.Fatal("nothing was removed")
	}
	checkStore(t, s)
}

// TestImportsReplaceEachOthersBlobs: two that have made the same blob each put theirs in the place of
// the other's once, and not for ever.
func TestImportsReplaceEachOthersBlobs(t *testing.T) {
	s := openStore(t, t.TempDir())
	one, two := openStage(t, s, "one"), openStage(t, s, "two")
	model := func(st *Stage) Manifest {
		return New(stagePut(t, st, "config", "{}"), []Layer{stagePut(t, st, "w", "shared")})
	}
	m, same := model(one), model(two)
	replaced := false
	s.files.before = func(op step, path string) error {
		if !replaced && op == stepSyncDir && path == filepath.Dir(s.manifestPath(mustName(t, "a"))) {
			replaced = true
			if _, err := two.Publish(context.Background(), mustName(t, "b"), same); err != nil {
				t.Error(err)
			}
		}
		return nil
	}
	if _, err := one.Publish(context.Background(), mustName(t, "a"), m); err != nil || !replaced {
		t.Errorf("%v, replaced: %v", err, replaced)
	}
	checkStore(t, s)
}

// TestFolderOfTheNameVanishes: Ollama removes folders without manifests, also one that is about to
// get its first.
func TestFolderOfTheNameVanishes(t *testing.T) {
	s := openStore(t, t.TempDir())
	vanished := 0
	s.files.before = func(op step, path string) error {
		if op == stepRename && path == s.manifestPath(mustName(t, "m")) && vanished < 5 {
			vanished++
			ollama{s}.start()
		}
		return nil
	}
	put(t, s, "m", versionOne)
	if vanished < 5 {
		t.Errorf("it vanished %d times", vanished)
	}
	checkStore(t, s)
}

// TestRemovedWhilePublishedIsSaid: the import does not claim what is not there, and can be repeated.
func TestRemovedWhilePublishedIsSaid(t *testing.T) {
	s := openStore(t, t.TempDir())
	removed := false
	s.files.before = func(op step, path string) error {
		if !removed && op == stepSyncDir && path == filepath.Dir(s.manifestPath(mustName(t, "m"))) {
			removed = os.Remove(s.manifestPath(mustName(t, "m"))) == nil
		}
		return nil
	}
	if _, err := importModel(s, "fp", "m", versionOne); !errors.Is(err, errRemoved) {
		t.Errorf("%v", err)
	}
	put(t, s, "m", versionOne)
	checkStore(t, s)
}

// TestStageIsAwaited: the second one waits, says so, gives up when it is told to, and finds what the
// first has made.
func TestStageIsAwaited(t *testing.T) {
	s := openStore(t, t.TempDir())
	first := openStage(t, s, "fp")
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := s.AwaitStage(ctx, "fp", cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("told to give up: %v", err)
	}
	var told atomic.Int32
	var g errgroup.Group
	g.Go(func() error {
		st, err := s.AwaitStage(context.Background(), "fp", func() { told.Add(1) })
		if err != nil {
			return err
		}
		defer st.Discard()
		if _, ok := st.Done("a"); !ok {
			return errors.New("what the first has made is not there")
		}
		return nil
	})
	for told.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	stagePut(t, first, "a", "content")
	if err := errors.Join(first.Flush(context.Background()), first.Keep(), g.Wait()); err != nil || told.Load() != 1 {
		t.Errorf("%v; told %d times", err, told.Load())
	}
}
