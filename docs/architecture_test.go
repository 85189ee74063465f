package docs_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const architecture = "docs/architecture.md"

var quoted = regexp.MustCompile("`([^`]+)`")

// treeFolders are the folders in the first column of the tree.
func treeFolders(t *testing.T) []string {
	t.Helper()
	_, rest, _ := strings.Cut(read(t, architecture), "## The tree")
	tree, _, _ := strings.Cut(rest, "\n## ")
	var folders []string
	for line := range strings.Lines(tree) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
			folders = append(folders, m[1])
		}
	}
	if len(folders) < 20 {
		t.Fatalf("the tree of %s has %d folders", architecture, len(folders))
	}
	return folders
}

// TestTree holds the tree to the packages: all that it lists are there, and every package is in it,
// itself or, of commands for the build, the folder that it serves.
func TestTree(t *testing.T) {
	folders := treeFolders(t)
	for _, f := range folders {
		if strings.HasPrefix(f, "package ") {
			continue
		}
		if info, err := os.Stat(filepath.Join(root, f)); err != nil || !info.IsDir() {
			t.Errorf("%s lists %s, which is no folder", architecture, f)
		}
	}
	for p := range strings.Lines(goTool(t, "list", "-f", "{{.ImportPath}} {{.Name}}", "./...")) {
		importPath, name, _ := strings.Cut(strings.TrimSpace(p), " ")
		folder, ok := strings.CutPrefix(importPath, "qimport/")
		if !ok {
			folder = "."
		}
		if name == "main" && path.Dir(folder) != "cmd" && !slices.Contains(folders, folder) {
			folder = path.Dir(folder) // a generator
		}
		if !slices.Contains(folders, folder) {
			t.Errorf("%s does not list %s", architecture, folder)
		}
	}
}

// TestPathsInDocuments: a path of this repository that a document names in code is there.
func TestPathsInDocuments(t *testing.T) {
	tops := []string{"arch", "bench", "cmd", "convert", "docs", "manifest", "quant", "runtime", "testdata", "verify", ".ci", ".github"}
	for _, name := range documents(t) {
		for _, m := range quoted.FindAllStringSubmatch(read(t, name), -1) {
			p := strings.TrimPrefix(strings.TrimSuffix(m[1], "/"), "./")
			top, _, inside := strings.Cut(p, "/")
			if !inside || !slices.Contains(tops, top) || strings.ContainsAny(p, " …") {
				continue
			}
			if found, err := filepath.Glob(filepath.Join(root, p)); err != nil || len(found) == 0 {
				t.Errorf("%s names %s, which is not there", name, p)
			}
		}
	}
}

var testName = regexp.MustCompile(`^Test[A-Z]\w*$`)

// TestTestsInDocuments: a test that a document names is one of this repository's.
func TestTestsInDocuments(t *testing.T) {
	var tests strings.Builder
	for line := range strings.Lines(goTool(t, "list", "-f", "{{$d := .Dir}}{{range .TestGoFiles}}{{$d}}/{{.}}\n{{end}}{{range .XTestGoFiles}}{{$d}}/{{.}}\n{{end}}", "./...")) {
		if b, err := os.ReadFile(strings.TrimSpace(line)); err == nil {
			tests.Write(b)
		}
	}
	found := 0
	for _, name := range documents(t) {
		for _, m := range quoted.FindAllStringSubmatch(read(t, name), -1) {
			if !testName.MatchString(m[1]) {
				continue
			}
			if found++; !strings.Contains(tests.String(), "func "+m[1]+"(") {
				t.Errorf("%s names %s, which is no test", name, m[1])
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d tests were found", found)
	}
}
