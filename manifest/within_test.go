package manifest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// victim is a folder outside the store, and what is in it with its times.
type victim struct {
	dir  string
	want map[string]string
}

func newVictim(t *testing.T) victim {
	t.Helper()
	v := victim{dir: t.TempDir()}
	for _, name := range []string{"mine", "sha256-" + strings.Repeat("0", 64), "journal", "folder/deep"} {
		path := filepath.Join(v.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("mine"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	v.want = v.now(t)
	return v
}

func (v victim) now(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(v.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		content := ""
		if err == nil && info.Mode().IsRegular() {
			b, readErr := os.ReadFile(path)
			content, err = string(b), readErr
		}
		all[path] = info.ModTime().String() + info.Mode().String() + content
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (v victim) check(t *testing.T, after string) {
	t.Helper()
	now := v.now(t)
	if len(now) != len(v.want) {
		t.Errorf("after %s the folder outside holds %d things instead of %d", after, len(now), len(v.want))
	}
	for path, was := range v.want {
		if now[path] != was {
			t.Errorf("after %s %s is %q, was %q", after, path, now[path], was)
		}
	}
}

// inTime fails a test that waits for what will never come, as for the other end of a pipe.
func inTime(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("%s hangs", what)
	}
}

// everything does to a store all that can be done to it, whatever comes of it.
func everything(t *testing.T, s *Store, step func(what string)) {
	t.Helper()
	ctx := context.Background()
	for _, c := range []struct {
		what string
		do   func()
	}{
		{"list", func() { s.List() }},
		{"check", func() { s.Check(ctx, nil) }},
		{"gc", func() { s.GC(ctx, GCOptions{Interrupted: true}) }},
		{"stage", func() {
			if st, err := s.Stage("x"); err == nil {
				st.Put("k", MediaTypeTensor, "k", []byte("content"))
				st.Flush(ctx)
				st.Discard()
			}
		}},
		{"import", func() { importModel(s, "y", "evil/m", versionTwo) }},
		{"copy", func() {
			s.Copy(ctx, Name{DefaultHost, DefaultNamespace, "good", "latest"}, Name{DefaultHost, "evil", "m", "new"})
		}},
		{"report", func() { s.PutReport(DigestOf([]byte("x")), []byte("{}")); s.Report(DigestOf([]byte("x"))) }},
		{"attest", func() { attach(s, DigestOf([]byte("x")), "new"); s.Attestations(DigestOf([]byte("x"))) }},
		{"index", func() { s.ReadIndex(); s.UpdateIndex(func([]byte) []byte { return []byte("new") }) }},
		{"rm", func() { s.Remove(ctx, Name{DefaultHost, "evil", "m", "latest"}) }},
		{"preflight", func() { s.Preflight(0) }},
	} {
		inTime(t, c.what, c.do)
		step(c.what)
	}
}

// TestLinksLeadNowhere puts links wherever the store has folders and files of its own, and does
// everything: what they point to stays as it is.
func TestLinksLeadNowhere(t *testing.T) {
	digest := DigestOf([]byte("x"))
	for _, at := range []string{
		"qimport-staging/x", "qimport-staging/y", "qimport-staging/.lock", "qimport-staging/x/journal", "qimport-staging/x/" + digest.FileName(),
		"qimport-reports/x", "qimport-reports/" + digest.FileName() + ".json", "qimport-attestations/" + digest.FileName() + ".intoto.jsonl", "blobs/" + digest.FileName(),
		"blobs/" + DigestOf([]byte("also of two")).FileName(), "manifests/registry.ollama.ai/evil", "manifests/registry.ollama.ai/evil/m",
		"manifests/registry.ollama.ai/evil/m/latest", "manifests/evil", "qimport-index", "qimport-index.lock", "qimport-hashed",
	} {
		t.Run(at, func(t *testing.T) {
			v := newVictim(t)
			for _, target := range []string{v.dir, filepath.Join(v.dir, "mine"), filepath.Join(v.dir, "new"), "../../.." + v.dir} {
				s := openStore(t, t.TempDir())
				put(t, s, "good", versionOne)
				path := filepath.Join(s.Root(), at)
				os.Remove(path)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(target, path)); err != nil {
					t.Fatal(err)
				}
				everything(t, s, func(what string) { v.check(t, what+" with a link to "+target) })
			}
		})
	}
}

// TestStoreAndItsTopFoldersMayBeLinks: users move them to other disks that way.
func TestStoreAndItsTopFoldersMayBeLinks(t *testing.T) {
	elsewhere, root := t.TempDir(), filepath.Join(t.TempDir(), "models")
	if err := os.Symlink(filepath.Join(elsewhere, "root"), root); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(elsewhere, "root"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, top := range topFolders {
		there := filepath.Join(elsewhere, top)
		if err := errors.Join(os.Mkdir(there, 0o755), os.Symlink(there, filepath.Join(root, top))); err != nil {
			t.Fatal(err)
		}
	}
	s := openStore(t, root)
	d := put(t, s, "m", versionOne)
	orphan(t, s, "old", testModel{"config": "{}", "w": "garbage"})
	if err := s.PutReport(d, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if r := gc(t, s, GCOptions{}); len(r.Removed) != 1 {
		t.Errorf("%+v", r)
	}
	if r := checkStore(t, s); r.Manifests != 1 || r.Blobs != 3 {
		t.Errorf("%d models, %d blobs", r.Manifests, r.Blobs)
	}
	if _, err := s.Remove(context.Background(), mustName(t, "m")); err != nil {
		t.Fatal(err)
	}
	for _, top := range topFolders {
		if info, err := os.Lstat(filepath.Join(root, top)); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s is a link no longer: %v", top, err)
		}
	}
	if n := countFiles(t, filepath.Join(elsewhere, "blobs")); n != 0 {
		t.Errorf("%d blobs are left", n)
	}
}

// TestWhatIsNoFileIsNamed puts pipes, sockets, folders and links where files should be: nothing waits
// for them, and who looks says their names.
func TestWhatIsNoFileIsNamed(t *testing.T) {
	kinds := map[string]func(path string) error{
		"a pipe":   func(path string) error { return makePipe(path) },
		"a folder": func(path string) error { return os.MkdirAll(filepath.Join(path, "full"), 0o755) },
		"a link":   func(path string) error { return os.Symlink("nowhere", path) },
	}
	unnamed := DigestOf([]byte("unnamed")).FileName()
	for kind, make := range kinds {
		for _, at := range []string{
			"blobs/" + DigestOf([]byte("stays the same")).FileName(), "blobs/" + unnamed, "manifests/registry.ollama.ai/library/m/other",
			"qimport-reports/" + unnamed + ".json", "qimport-attestations/" + unnamed + ".intoto.jsonl", "qimport-staging/x/journal", "qimport-staging/x/lock", "qimport-staging/.lock",
			"qimport-index", "qimport-index.lock", "qimport-hashed", "qimport-hashed.lock", "qimport-staging/x/" + unnamed,
		} {
			t.Run(kind+" at "+at, func(t *testing.T) {
				s := openStore(t, t.TempDir())
				put(t, s, "good", versionOne)
				path := filepath.Join(s.Root(), at)
				os.Remove(path)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), make(path)); err != nil {
					t.Fatal(err)
				}
				inTime(t, "looking", func() {
					_, listed := s.List()
					checked, _ := s.Check(context.Background(), nil)
					collected, err := s.GC(context.Background(), GCOptions{Grace: 0, DryRun: true})
					for _, g := range append(collected.Kept, collected.Removed...) {
						err = errors.Join(err, errors.New(g.Path+g.Why))
					}
					says := errors.Join(listed, checked.Err(), err)
					if strings.HasPrefix(at, "qimport-staging/") || strings.HasPrefix(at, "qimport-index") || strings.HasPrefix(at, "qimport-hashed") {
						return // ours: made anew, or said when it is in the way
					}
					if says == nil || !strings.Contains(says.Error(), path) {
						t.Errorf("nobody names it: %v", says)
					}
				})
				everything(t, s, func(string) {})
			})
		}
	}
}
