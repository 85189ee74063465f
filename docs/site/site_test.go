package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const repository = "../.."

// TestSite builds the site of this repository, which fails on a link that leads nowhere, and looks at
// each page: HTML whose elements are closed, every page in its navigation, nothing loaded from elsewhere.
func TestSite(t *testing.T) {
	for _, source := range []string{"", "https://example.org/qimport/blob/main"} {
		out := filepath.Join(t.TempDir(), "site")
		n, err := build(repository, out, source)
		if err != nil {
			t.Fatal(err)
		}
		pages, err := filepath.Glob(filepath.Join(out, "*.html"))
		if err != nil || len(pages) != n {
			t.Fatalf("%d pages, of %d: %v", len(pages), n, err)
		}
		for _, p := range pages {
			lookAt(t, p, pages)
		}
	}
}

// lookAt is what TestSite asks of a page.
func lookAt(t *testing.T, file string, pages []string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		if !strings.Contains(string(b), `<li><a href="`+filepath.Base(p)+`"`) {
			t.Errorf("%s has no %s in its navigation", file, filepath.Base(p))
		}
	}
	ids := map[string]bool{}
	d := xml.NewDecoder(strings.NewReader(string(b)))
	d.Entity = xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Errorf("%s: %v", file, err)
			return
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if element.Name.Local == "script" {
			t.Errorf("%s has a script", file)
		}
		for _, a := range element.Attr {
			switch {
			case a.Name.Local == "id" && ids[a.Value]:
				t.Errorf("%s has two elements with the id %s", file, a.Value)
			case a.Name.Local == "id":
				ids[a.Value] = true
			case a.Name.Local == "src", a.Name.Local == "href" && element.Name.Local == "link":
				if _, err := os.Stat(filepath.Join(filepath.Dir(file), a.Value)); err != nil {
					t.Errorf("%s loads %s: %v", file, a.Value, err)
				}
			case a.Name.Local == "href" && !strings.Contains(a.Value, "://") && !strings.HasPrefix(a.Value, "#"):
				name, _, _ := strings.Cut(a.Value, "#")
				if _, err := os.Stat(filepath.Join(filepath.Dir(file), name)); err != nil {
					t.Errorf("%s links to %s: %v", file, a.Value, err)
				}
			}
		}
	}
}

// TestFaults: a document with a link that leads nowhere, and one that the navigation lacks, are errors.
func TestFaults(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"a missing file", "docs/demo.md", "# Demo\n\n[x](gone.md)\n", "links to gone.md, which is not there"},
		{"a missing anchor", "docs/demo.md", "# Demo\n\n[x](store.md#no-such-part)\n", "links to store.html#no-such-part"},
		{"a missing anchor of its own", "docs/demo.md", "# Demo\n\n[x](#no-such-part)\n", "links to demo.html#no-such-part"},
		{"a file outside", "docs/demo.md", "# Demo\n\n[x](../../..)\n", "which is not there"},
		{"a page that nobody finds", "docs/new.md", "# New\n", "docs/new.md is not in the navigation"},
		{"a table without its machine", "README.md", "# q\n\n## Formats and models\n\n## How fast\n\n<!-- speeds: import -->\n| a |\n|---|\n\n## More\n", "name 0 machines"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			copyDocuments(t, root)
			if err := os.WriteFile(filepath.Join(root, c.file), []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := build(root, filepath.Join(t.TempDir(), "out"), "")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// copyDocuments puts what the site is made of into a folder.
func copyDocuments(t *testing.T, root string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "verify/README.md", "schema/*.json"} {
		found, err := filepath.Glob(filepath.Join(repository, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(repository, f)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
