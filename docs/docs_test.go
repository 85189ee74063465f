// Package docs_test holds what the documents say to the program: commands, flags, lists, output,
// links, and the licences of what it is built from. With -update it writes the parts that it makes.
package docs_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the parts of the documents that are made")

// root is the repository.
const root = ".."

// read is a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func rewrite(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// holdPart holds the lines of a document between a marker and its end to what they should be.
func holdPart(t *testing.T, name, marker, want string) {
	t.Helper()
	begin, end := "<!-- "+marker+" -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(read(t, name), begin)
	got, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no part %s", name, marker)
	}
	if *update {
		rewrite(t, name, before+begin+want+end+after)
		return
	}
	if got != want {
		t.Errorf("%s, part %s: look at the change and run go test ./docs -update\ngot:\n%swant:\n%s", name, marker, got, want)
	}
}

// goTool is what the go command prints, run in the repository.
func goTool(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

// documents are the texts for people, by their paths in the repository.
func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md", "verify/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			name, err := filepath.Rel(root, f)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, filepath.ToSlash(name))
		}
	}
	slices.Sort(all)
	return all
}
