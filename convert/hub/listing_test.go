package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

const (
	gitOID = "9e26dfeeb6e641a33dae4961196235bdb965b21b"
	lfsOID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// listed makes an answer with one more file, of that name, size and digests, beside a checkpoint's.
func listed(name, rest string) string {
	quoted, err := json.Marshal(name)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"sha":%q,"siblings":[{"rfilename":"config.json","size":2,"blobId":%q},{"rfilename":"model.safetensors","size":9,"lfs":{"sha256":%q,"size":9}},{"rfilename":%s%s}]}`,
		commit, gitOID, lfsOID, quoted, rest)
}

const plain = `,"size":1,"blobId":"` + gitOID + `"`

func TestParseListing(t *testing.T) {
	l, err := parseListing([]byte(listed("a.json", plain)))
	want := []file{{"a.json", 1, gitOID}, {"config.json", 2, gitOID}, {"model.safetensors", 9, lfsOID}}
	if err != nil || l.Commit != commit || !slices.Equal(l.Files, want) {
		t.Fatalf("got %+v, %v; want %+v", l, err, want)
	}
	for _, ignored := range []string{"train.py", "docs/README.md", "onnx/model.safetensors", ".hidden.json", "日本語.txt"} {
		if l, err := parseListing([]byte(listed(ignored, plain))); err != nil || len(l.Files) != 2 {
			t.Errorf("%s: got %+v, %v", ignored, l, err)
		}
	}
}

func TestBadListings(t *testing.T) {
	for _, c := range []struct{ name, answer, want string }{
		{"no JSON", `<html>log in</html>`, "JSON"},
		{"cut short", listed("a.json", plain)[:200], "JSON"},
		{"a list", `[]`, "JSON"},
		{"siblings of another type", `{"sha":"` + commit + `","siblings":{}}`, "siblings is no list"},
		{"no commit", `{"siblings":[]}`, "sha"},
		{"commit leads out", strings.Replace(listed("a.json", plain), commit, "../../../../home/user/.ssh", 1), "sha"},
		{"commit in capitals", strings.Replace(listed("a.json", plain), commit, strings.ToUpper(commit), 1), "sha"},
		{"commit with a newline", strings.Replace(listed("a.json", plain), commit, commit+`\n`, 1), "sha"},
		{"name leads out", listed("../evil.json", plain), "rfilename"},
		{"name leads out further down", listed("a/../../evil.json", plain), "rfilename"},
		{"absolute", listed("/etc/cron.d/evil.json", plain), "rfilename"},
		{"backslashes", listed(`..\evil.json`, plain), "rfilename"},
		{"empty", listed("", plain), "rfilename"},
		{"control characters", listed("a\x1b[31m.json", plain), "control"},
		{"turned around", listed("model\u202enosj.jinja", plain), "bidirectional"},
		{"long", listed(strings.Repeat("a", 300)+".json", plain), "too long"},
		{"deep", listed(strings.Repeat("a/", 3000)+"a.json", plain), "too long"},
		{"twice", listed("config.json", plain), "listed twice"},
		{"twice on a Mac", listed("Config.json", plain), "one name"},
		{"no digest", listed("a.json", `,"size":1`), "no size or no digest"},
		{"no size", listed("a.json", `,"blobId":"`+gitOID+`"`), "no size or no digest"},
		{"digest leads out", listed("a.json", `,"size":1,"blobId":"../../../../../../../../home/user/bashrc"`), "digest"},
		{"digest in capitals", listed("a.json", `,"size":1,"blobId":"`+strings.ToUpper(gitOID)+`"`), "digest"},
		{"short digest with LFS", listed("a.json", `,"lfs":{"size":1,"sha256":"`+gitOID+`"}`), "digest"},
		{"long digest without", listed("a.json", `,"size":1,"blobId":"`+lfsOID+`"`), "digest"},
		{"negative", listed("a.json", `,"size":-1,"blobId":"`+gitOID+`"`), "size of a.json"},
		{"immense", listed("a.json", `,"size":9000000000000000000,"blobId":"`+gitOID+`"`), "size of a.json"},
		{"beyond numbers", listed("a.json", `,"size":1e99,"blobId":"`+gitOID+`"`), "JSON"},
		{"too many", `{"sha":"` + commit + `","siblings":[{}` + strings.Repeat(`,{}`, maxFiles) + `]}`, "more than 10000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFakeHub(t, nil)
			h.list = func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(c.answer)) }
			s := h.settings(t)
			err := refused(t, s, c.want)
			if !errors.Is(err, errBadListing) || !strings.Contains(err.Error(), "org/model") {
				t.Errorf("refused without saying so: %v", err)
			}
			if len(err.Error()) > 500 || strings.ContainsFunc(err.Error(), unseen) {
				t.Errorf("the hub writes to the terminal: %q", err)
			}
			if entries, err := os.ReadDir(s.cache); err != nil || len(entries) > 0 {
				t.Errorf("the cache has %v, %v; want nothing", entries, err)
			}
		})
	}
}

func TestListingWithoutEnd(t *testing.T) {
	noLeaks(t)
	h := newFakeHub(t, nil)
	h.list = func(w http.ResponseWriter, _ *http.Request) {
		for _, err := w.Write([]byte(`{"tags":["`)); err == nil; _, err = w.Write(make([]byte, 1<<20)) {
		}
	}
	if err := refused(t, h.settings(t), "more than 67108864 bytes"); !errors.Is(err, errBadListing) {
		t.Errorf("got %v", err)
	}
}

func TestNoCheckpoint(t *testing.T) {
	h := newFakeHub(t, map[string]string{"config.json": "{}", "pytorch_model.bin": "x"})
	refused(t, h.settings(t), "holds no safetensors checkpoint")
	h.files = map[string]string{"model.safetensors": "x"}
	refused(t, h.settings(t), "holds no config.json")
}

// Another commit than the one that was asked for by name.
func TestOtherCommit(t *testing.T) {
	h := newFakeHub(t, checkpointFiles())
	_, err := resolve(t.Context(), h.settings(t), Reference{ID: "org/model", Revision: strings.Repeat("a", 40)}, nil)
	if !errors.Is(err, errBadListing) {
		t.Errorf("got %v", err)
	}
}

func FuzzListing(f *testing.F) {
	f.Add(listingJSON(checkpointFiles()))
	f.Add([]byte(listed("a.json", plain)))
	f.Add([]byte(listed("../a.json", plain)))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := parseListing(b)
		if err != nil {
			if !errors.Is(err, errBadListing) {
				t.Fatalf("refused without saying so: %v", err)
			}
			return
		}
		for _, file := range l.Files {
			if file.check() != nil || strings.ContainsAny(file.Name, "/\\\x00\n") || strings.HasPrefix(file.Name, ".") {
				t.Fatalf("took %+v", file)
			}
		}
		note, err := l.note()
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseNote(note, l.Commit)
		if l.checkCheckpoint() == nil && (err != nil || !slices.Equal(again.Files, l.Files)) {
			t.Fatalf("the note of a listing is %+v, %v; want %+v", again, err, l)
		}
	})
}

func FuzzNote(f *testing.F) {
	l, err := parseListing(listingJSON(checkpointFiles()))
	if err != nil {
		f.Fatal(err)
	}
	note, err := l.note()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(note)
	f.Add([]byte(commit + "\n"))
	f.Add([]byte(`{"sha":"` + commit + `"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := parseNote(b, commit); err == nil && (l.Commit != commit || l.check() != nil) {
			t.Fatalf("took %+v", l)
		} else if err != nil && !errors.Is(err, errBadNote) {
			t.Fatalf("refused without saying so: %v", err)
		}
		for _, parse := range []func([]byte) (string, error){parseRef, parseInfo} {
			if got, err := parse(b); err == nil && checkCommit(got) != nil {
				t.Fatalf("took %q", got)
			}
		}
	})
}
