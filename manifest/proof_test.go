package manifest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// flip changes a byte of a file and nothing else that one would see at a glance.
func flip(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var b [1]byte
	if _, err := file.ReadAt(b[:], 0); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := file.WriteAt(b[:], 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Time{}, info.ModTime()); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedBlobIsReplaced: the right bytes, made again, take the place of wrong ones of that size,
// of a blob cut short, and of none; and a damaged one is not reused.
func TestDamagedBlobIsReplaced(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, path string){
		"flipped": flip,
		"cut":     func(t *testing.T, path string) { os.Truncate(path, 1) },
		"gone":    func(t *testing.T, path string) { os.Remove(path) },
		"a link":  func(t *testing.T, path string) { os.Remove(path); os.Symlink("/etc/passwd", path) },
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, t.TempDir())
			put(t, s, "a", versionOne)
			l := Layer{MediaTypeTensor, DigestOf([]byte("stays the same")), 14, "a"}
			damage(t, s.Blob(l.Digest))
			st := openStage(t, s, "look")
			if st.Reuse(context.Background(), "a", l) {
				t.Error("the damaged blob is reused")
			}
			st.Discard()
			put(t, s, "b", versionTwo)
			checkStore(t, s)
			if r := gc(t, s, GCOptions{}); len(r.Removed) > 0 {
				t.Errorf("left: %+v", r.Removed)
			}
		})
	}
}

// TestEvidence: a blob is believed unread while its file is as it was, also by the next process and
// after names came and went, and read again where it is not.
func TestEvidence(t *testing.T) {
	s := openStore(t, t.TempDir())
	s.tick = clockTick
	put(t, s, "a", versionOne)
	put(t, s, "b", versionTwo) // shares a blob
	l := Layer{MediaTypeTensor, DigestOf([]byte("stays the same")), 14, "a"}
	proven := func() bool {
		info, err := os.Lstat(s.Blob(l.Digest))
		return err == nil && s.readProofs().holds(l.Digest, info)
	}
	if !proven() {
		t.Fatal("there is no evidence for a blob that was just published")
	}
	if err := os.Chtimes(s.Blob(l.Digest), time.Time{}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if proven() {
		t.Error("a changed file is believed")
	}
	put(t, s, "c", versionTwo) // reads it, and knows it again
	if !proven() {
		t.Error("the evidence was not renewed")
	}
	st := openStage(t, s, "doubt")
	if err := st.Doubt([]Layer{l}); err != nil || proven() {
		t.Errorf("doubted, it is still believed: %v", err)
	}
	st.Discard()
	if err := os.WriteFile(s.proofsPath(), []byte(strings.Repeat("nonsense\n", 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	put(t, s, "d", versionTwo)
	checkStore(t, s)
	if _, err := s.Remove(context.Background(), mustName(t, "a")); err != nil {
		t.Fatal(err)
	}
	put(t, s, "e", versionTwo)
	if b, err := os.ReadFile(s.proofsPath()); err != nil || strings.Count(string(b), "\n") != countFiles(t, s.blobsDir()) {
		t.Errorf("evidence for other blobs than those of the store: %q, %v", b, err)
	}
}

// TestDamageInStagingIsFound: between two runs, and between writing and publishing.
func TestDamageInStagingIsFound(t *testing.T) {
	s := openStore(t, t.TempDir())
	st := openStage(t, s, "fp")
	a, b := stagePut(t, st, "a", "content of a"), stagePut(t, st, "b", "content of b")
	if err := st.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	st.Keep()
	flip(t, filepath.Join(st.dir, a.Digest.FileName()))
	st = openStage(t, s, "fp")
	if _, ok := st.Done("a"); ok {
		t.Error("a blob that was changed in staging is believed")
	}
	if _, ok := st.Done("b"); !ok {
		t.Error("the other one is not")
	}
	a = stagePut(t, st, "a", "content of a")
	config := stagePut(t, st, "config", "{}")
	flip(t, st.Path(b.Digest))
	if _, err := st.Publish(context.Background(), mustName(t, "m"), New(config, []Layer{a, b})); err == nil || !strings.Contains(err.Error(), "was changed while it waited") {
		t.Errorf("published: %v", err)
	}
	if entries, err := s.List(); err != nil || len(entries) > 0 {
		t.Errorf("the name has moved: %v, %v", entries, err)
	}
	st.Keep()
	if _, err := importModel(s, "fp", "m", testModel{"config": "{}", "a": "content of a", "b": "content of b"}); err != nil {
		t.Errorf("the same again: %v", err)
	}
	checkStore(t, s)
}

func FuzzProofs(f *testing.F) {
	line := proofLine(DigestOf(nil), state{Inode: 1, Size: 2, Modified: 3, Changed: -4})
	for _, s := range []string{"", line, line + line, line[:20], "sha256:x 1 2 3 4\n", line + "1 2\n" + line[:70]} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for d, s := range parseProofs(b) {
			if d2, again, ok := parseProof(proofLine(d, s)); !ok || again != s || d2 != d {
				t.Fatalf("%s %v reads back as %v", d, s, again)
			}
		}
	})
}

func FuzzJournal(f *testing.F) {
	whole := encodeJournal([]journalLine{
		{Key: "a", Layer: Layer{MediaTypeTensor, DigestOf(nil), 0, "a"}, State: state{1, 2, 3, 4}},
		{Key: "config", Layer: Layer{MediaTypeConfig, DigestOf([]byte("{}")), 2, ""}},
	})
	for _, b := range [][]byte{nil, whole, whole[:len(whole)-1], whole[:30], []byte("null\n{}\n[]\n0\n"), []byte(strings.Replace(string(whole), `"name":"a"`, `"name":"../../x"`, 1))} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		lines := parseJournal(b)
		for _, l := range lines {
			if l.Digest.IsZero() || l.Size < 0 || l.Name != "" && !filepath.IsLocal(l.Name) {
				t.Fatalf("accepted %+v", l)
			}
		}
		again := parseJournal(encodeJournal(lines))
		if len(again) != len(lines) {
			t.Fatalf("%d lines read back as %d", len(lines), len(again))
		}
	})
}
