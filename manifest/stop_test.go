package manifest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What stopping tests import: version two takes the name over from version one, shares a blob with
// it and one with itself.
var (
	versionOne = testModel{"config": "{}", "a": "stays the same", "b": "of one"}
	versionTwo = testModel{"config": "{ }", "a": "stays the same", "b": "of two", "c": "of two", "d": "also of two", "e": "more"}
)

var errStopped = errors.New("stopped")

// stopAfter lets that many steps happen and no more, like a process that dies. It counts them on.
func stopAfter(steps int, taken *int) func(step, string) error {
	return func(step, string) error {
		if *taken >= steps {
			return errStopped
		}
		*taken++
		return nil
	}
}

func TestStoppedAnywhereEveryNameIsWhole(t *testing.T) {
	for steps := 0; ; steps++ {
		root := t.TempDir()
		one := put(t, openStore(t, root), "m", versionOne)
		s, taken := openStore(t, root), 0
		s.files.before = stopAfter(steps, &taken)
		two, err := importModel(s, "two", "m", versionTwo)
		if err != nil && !errors.Is(err, errStopped) {
			t.Fatalf("step %d: %v", steps, err)
		}
		afterStop(t, root, one, DigestOf(testBytes(versionTwo)))
		if err == nil && taken < steps {
			if steps < 20 {
				t.Fatalf("an import has %d steps only: some do not go through files", steps)
			}
			if two != DigestOf(testBytes(versionTwo)) {
				t.Fatalf("the manifest is %s", two)
			}
			return
		}
	}
}

// testBytes is the manifest of a test model.
func testBytes(model testModel) []byte {
	layers := map[string]Layer{}
	for key, content := range model {
		layers[key] = Layer{MediaTypeTensor, DigestOf([]byte(content)), int64(len(content)), key}
	}
	return testManifest(model, layers).Encode()
}

// afterStop demands that the name of the stopped import is whole in one version or the other, that
// the import can be taken up, and that garbage collection then leaves that version alone.
func afterStop(t *testing.T, root string, one, two Digest) {
	t.Helper()
	s := openStore(t, root)
	checkStore(t, s)
	e, err := s.Lookup(mustName(t, "m"))
	if err != nil || (e.Digest != one && e.Digest != two) {
		t.Fatalf("the name points at %s, %v", e.Digest, err)
	}
	if _, err := importModel(s, "two", "m", versionTwo); err != nil {
		t.Fatalf("taking it up: %v", err)
	}
	if r := checkStore(t, s); r.Manifests != 1 {
		t.Fatalf("%d manifests", r.Manifests)
	}
	if e, err := s.Lookup(mustName(t, "m")); err != nil || e.Digest != two {
		t.Fatalf("taken up, the name points at %s, %v", e.Digest, err)
	}
	if _, err := s.GC(context.Background(), GCOptions{}); err != nil {
		t.Fatal(err)
	}
	if r := checkStore(t, s); r.Unnamed != 0 || r.Blobs != len(versionTwo)-1 {
		t.Fatalf("collected, %d blobs are left, %d without a name", r.Blobs, r.Unnamed)
	}
	if n := countFiles(t, s.stagingDir()); n != 1 {
		t.Fatalf("%d things are left in staging, want the lock", n)
	}
}

func TestRemoveStoppedAnywhere(t *testing.T) {
	for steps := 0; ; steps++ {
		s, taken := openStore(t, t.TempDir()), 0
		put(t, s, "m", versionOne)
		other := put(t, s, "other", versionTwo)
		s.files.before = stopAfter(steps, &taken)
		_, err := s.Remove(context.Background(), mustName(t, "m"))
		s.files.before = nil
		checkStore(t, s)
		if e, lookupErr := s.Lookup(mustName(t, "other")); lookupErr != nil || e.Digest != other {
			t.Fatalf("step %d: the other name: %v", steps, lookupErr)
		}
		if err == nil {
			if steps < 5 {
				t.Fatalf("removing has %d steps only", steps)
			}
			return
		}
	}
}

// stoppedAnywhere stops work over a fresh store after every number of steps, until it comes through,
// and hands the store on after each. It demands that there are that many steps at least.
func stoppedAnywhere(t *testing.T, least int, prepare func(s *Store), work func(s *Store) error, after func(s *Store, stopped bool)) {
	t.Helper()
	for steps := 0; ; steps++ {
		s, taken := openStore(t, t.TempDir()), 0
		prepare(s)
		s.files.before = stopAfter(steps, &taken)
		err := work(s)
		s.files.before = nil
		if err != nil && !errors.Is(err, errStopped) {
			t.Fatalf("step %d: %v", steps, err)
		}
		stopped := taken >= steps && err != nil
		after(s, stopped)
		if t.Failed() {
			t.Fatalf("stopped at step %d: %v", steps, err)
		}
		if taken < steps {
			if steps <= least {
				t.Fatalf("it has %d steps only: some do not go through files", steps-1)
			}
			return
		}
	}
}

func TestCollectStoppedAnywhere(t *testing.T) {
	stoppedAnywhere(t, 8, func(s *Store) {
		put(t, s, "m", versionOne)
		orphan(t, s, "old", versionTwo)
		st := openStage(t, s, "interrupted")
		stagePut(t, st, "k", "content")
		if err := errors.Join(st.Flush(context.Background()), st.Keep(), s.PutReport(DigestOf(nil), []byte("{}"))); err != nil {
			t.Fatal(err)
		}
	}, func(s *Store) error {
		_, err := s.GC(context.Background(), GCOptions{Interrupted: true})
		return err
	}, func(s *Store, _ bool) {
		checkStore(t, s)
		if _, err := s.GC(context.Background(), GCOptions{Interrupted: true}); err != nil {
			t.Error(err)
		}
		if r := checkStore(t, s); r.Manifests != 1 || r.Blobs != len(versionOne) || r.Unnamed != 0 {
			t.Errorf("%+v", r)
		}
		if n := countFiles(t, s.stagingDir()) + countFiles(t, s.reportsDir()); n != 1 {
			t.Errorf("%d things are left, want the lock", n)
		}
	})
}

func TestCopyStoppedAnywhere(t *testing.T) {
	stoppedAnywhere(t, 6, func(s *Store) { put(t, s, "m", versionOne) }, func(s *Store) error {
		return s.Copy(context.Background(), mustName(t, "m"), mustName(t, "you/copy"))
	}, func(s *Store, stopped bool) {
		r := checkStore(t, s)
		if e, err := s.Lookup(mustName(t, "you/copy")); err != nil && (!errors.Is(err, ErrNotFound) || !stopped) || err == nil && r.Manifests != 2 {
			t.Errorf("%v, %v", e.Name, err)
		}
		if err := s.Copy(context.Background(), mustName(t, "m"), mustName(t, "you/copy")); err != nil {
			t.Errorf("again: %v", err)
		}
	})
}

// TestPlaceStoppedAnywhere: a repair puts right blobs in the place of damaged ones, and of none.
func TestPlaceStoppedAnywhere(t *testing.T) {
	var wanted []Layer
	repair := func(s *Store) error {
		st, err := s.Stage("repair")
		if err != nil {
			return err
		}
		defer st.Discard()
		if err := st.Doubt(wanted); err != nil {
			return err
		}
		for i, content := range []string{"stays the same", "of one"} {
			if _, err := st.Put(fmt.Sprint(i), MediaTypeTensor, "x", []byte(content)); err != nil {
				return err
			}
		}
		return st.Place(context.Background(), wanted)
	}
	stoppedAnywhere(t, 15, func(s *Store) {
		put(t, s, "m", versionOne)
		m, err := s.Manifest(mustName(t, "m"))
		if err != nil {
			t.Fatal(err)
		}
		wanted = m.Layers
		flip(t, s.Blob(wanted[0].Digest))
		if err := os.Remove(s.Blob(wanted[1].Digest)); err != nil {
			t.Fatal(err)
		}
	}, repair, func(s *Store, _ bool) {
		if err := repair(s); err != nil {
			t.Errorf("again: %v", err)
		}
		checkStore(t, s)
		gc(t, s, GCOptions{})
		if n := countFiles(t, s.stagingDir()); n != 1 {
			t.Errorf("%d things are left in staging, want the lock", n)
		}
	})
}

// TestFlushBeforeName looks at the order of steps, since a stopped test loses nothing that was
// written but not flushed, as a machine without power would.
func TestFlushBeforeName(t *testing.T) {
	root := t.TempDir()
	put(t, openStore(t, root), "m", versionOne)
	s := openStore(t, root)
	var steps []string
	s.files.before = func(op step, path string) error {
		rel, err := filepath.Rel(root, path)
		steps = append(steps, string(op)+" "+filepath.ToSlash(rel))
		return err
	}
	if _, err := importModel(s, "two", "m", versionTwo); err != nil {
		t.Fatal(err)
	}
	position := func(i int, step string) int {
		if i < 0 {
			t.Fatalf("no step %q in\n%s", step, strings.Join(steps, "\n"))
		}
		return i
	}
	first := func(step string) int {
		return position(slices.IndexFunc(steps, func(s string) bool { return strings.HasPrefix(s, step) }), step)
	}
	last := func(step string) int {
		backward := slices.Clone(steps)
		slices.Reverse(backward)
		i := slices.IndexFunc(backward, func(s string) bool { return strings.HasPrefix(s, step) })
		return len(steps) - 1 - position(i, step)
	}
	for _, c := range []struct{ before, after string }{
		{"rename qimport-staging/two/sha256-", "sync folder qimport-staging/two"},
		{"sync folder qimport-staging/two", "write qimport-staging/two/journal"},
		{"write qimport-staging/two/journal", "sync qimport-staging/two/journal"},
		{"link blobs/", "sync folder blobs"},
		{"sync folder blobs", "rename manifests/registry.ollama.ai/library/m/latest"},
		{"rename manifests/registry.ollama.ai/library/m/latest", "sync folder manifests/registry.ollama.ai/library/m"},
		{"sync folder manifests/registry.ollama.ai/library/m", "remove qimport-staging/two/journal"},
	} {
		if last(c.before) >= last(c.after) {
			t.Errorf("%q comes after %q", c.before, c.after)
		}
	}
	if last("sync qimport-staging/two") >= first("link blobs/") {
		t.Error("a blob is moved before all are flushed")
	}
	if i := first("sync qimport-staging/two"); steps[i+1] != "sync folder qimport-staging/two" {
		t.Errorf("after the first flush of blobs comes %q", steps[i+1])
	}
}

const (
	childStore   = "QIMPORT_TEST_STORE"
	childVersion = "QIMPORT_TEST_VERSION"
)

// TestKilledChild is the process that TestKilledAnywhere kills; by itself it does nothing.
func TestKilledChild(t *testing.T) {
	root := os.Getenv(childStore)
	if root == "" {
		t.Skip("not a child")
	}
	s := openStore(t, root)
	for round := 0; ; round++ { // until killed
		model := testModel{"config": fmt.Sprint(os.Getenv(childVersion), round)}
		for i := range 20 {
			model[fmt.Sprint("t", i)] = strings.Repeat(fmt.Sprint(i, round%3), 5000)
		}
		if _, err := importModel(s, "killed", fmt.Sprint("m", round%2), model); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKilledAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	root := t.TempDir()
	s := openStore(t, root)
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		child := exec.Command(os.Args[0], "-test.run=^TestKilledChild$")
		child.Env = append(os.Environ(), childStore+"="+root, fmt.Sprint(childVersion, "=", round))
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(10+random.IntN(90)) * time.Millisecond)
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		child.Wait()
		checkStore(t, s)
		put(t, s, "after", testModel{"config": fmt.Sprint(round)}) // no lock has outlived the child
	}
	if _, err := s.GC(context.Background(), GCOptions{Interrupted: true}); err != nil {
		t.Fatal(err)
	}
	if r := checkStore(t, s); r.Manifests < 2 || r.Unnamed != 0 {
		t.Errorf("%d manifests, %d blobs without a name: the children did not get far, or garbage is left", r.Manifests, r.Unnamed)
	}
	if n := countFiles(t, s.stagingDir()); n != 1 {
		t.Errorf("%d things are left in staging, want the lock", n)
	}
}
