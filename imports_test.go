package qimport

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// room is a folder of the module and the other folders that it may import, beside its own
// sub-folders. Its tests may import some more, to get at models.
type room struct {
	folder string
	may    []string
	tests  []string
}

// border is the lowest floor, with small tools beside it: every room may import them, and they import
// none.
const border = "internal/untrusted"

func lowest() []string {
	return []string{border, "internal/spelling", "internal/table", "internal/transfer", "internal/openmetrics", "internal/replace"}
}

// rooms is the order of the module, from the top down: nobody imports above or beside. A folder
// belongs to the first room that contains it.
func rooms() []room {
	return []room{
		{folder: "cmd/qimport", may: []string{".", "verify", "convert", "runtime", "arch", "manifest", "quant"}},
		{folder: "bench"},
		{folder: "dist/pack"},
		{folder: ".", may: []string{"verify", "convert", "runtime", "arch", "manifest", "quant"}, tests: []string{"internal/killtest"}},
		{folder: "internal/killtest"},
		{folder: "verify/report"},
		{folder: "verify/peer"},
		{folder: "verify/drawn"},
		{folder: "verify/score", may: []string{"verify/report", "convert/safetensors", "manifest", "quant"}},
		{folder: "verify/attest", may: []string{"verify/report", "manifest"}},
		{folder: "verify/cost", may: []string{"verify/report", "convert/source", "arch", "quant"}},
		{folder: "verify/language", may: []string{"arch/files", "runtime/chat", "runtime/tokenizer"}},
		{folder: "verify", may: []string{"convert/source", "convert/safetensors", "convert/ollama", "runtime", "arch", "manifest", "quant"}, tests: []string{"convert"}},
		{folder: "convert/hub", may: []string{"convert/checkpoint", "arch"}},
		{folder: "convert/safetensors", may: []string{"quant"}},
		{folder: "convert/checkpoint", may: []string{"convert/safetensors", "quant"}},
		{folder: "convert/source", may: []string{"convert/safetensors", "convert/checkpoint", "arch", "manifest", "quant"}, tests: []string{"convert/converttest"}},
		{folder: "convert/calibration", may: []string{"convert/source", "convert/safetensors", "arch", "quant"}, tests: []string{"convert/converttest"}},
		{folder: "convert/adapter", may: []string{"convert/source", "convert/safetensors", "arch", "quant"}, tests: []string{"convert/converttest"}},
		{folder: "convert/ollama"},
		{folder: "convert/modelfile", may: []string{"convert/ollama"}},
		{folder: "convert/plan", may: []string{"convert/ollama", "convert/calibration", "convert/source", "convert/safetensors", "arch", "manifest", "quant"}, tests: []string{"convert/converttest"}},
		{folder: "convert/tune", may: []string{"convert/plan", "arch", "quant"}},
		{folder: "convert/encode", may: []string{"convert/plan", "convert/source", "quant"}, tests: []string{"convert/calibration"}},
		{folder: "convert/write", may: []string{"convert/encode", "convert/plan", "convert/source", "convert/safetensors", "manifest", "quant"}, tests: []string{"convert/calibration", "convert/converttest", "arch"}},
		{folder: "convert/export", may: []string{"convert/encode", "convert/plan", "convert/source", "convert/safetensors", "arch", "quant"}, tests: []string{"convert/converttest", "convert/write", "manifest", "internal/killtest"}},
		{folder: "convert/converttest", may: []string{"quant"}},
		{folder: "convert"},
		{folder: "runtime/tokenizer"},
		{folder: "runtime/chat", may: []string{"arch/files"}},
		{folder: "runtime/mlx", may: []string{"quant"}},
		{folder: "runtime/picture"},
		{folder: "runtime", may: []string{"arch", "quant"}, tests: []string{"convert"}},
		{folder: "arch"},
		{folder: "manifest"},
		{folder: "quant/recipe", may: []string{"arch", "quant"}},
		{folder: "quant"},
		{folder: border},
		{folder: "internal/spelling"},
		{folder: "internal/table"},
		{folder: "internal/transfer"},
		{folder: "internal/openmetrics"},
		{folder: "internal/replace"},
		{folder: "docs"},
	}
}

// TestImports holds every file of the module to the table above.
func TestImports(t *testing.T) {
	for _, file := range goFiles(t, ".") {
		r, known := roomOf(path.Dir(file))
		if !known {
			t.Errorf("%s is in a folder that the table does not know", file)
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			folder, ours := strings.CutPrefix(imported, "qimport/")
			if imported == "qimport" {
				folder, ours = ".", true
			}
			if ours && !r.allows(folder, strings.HasSuffix(file, "_test.go")) {
				t.Errorf("%s imports %s, which %s must not know", file, folder, r.folder)
			}
		}
	}
}

// TestImportsTable shows that the table says no as well as yes.
func TestImportsTable(t *testing.T) {
	for _, c := range []struct {
		from, to string
		test     bool
		allowed  bool
	}{
		{"runtime", "runtime/mlx", false, true},
		{"runtime/layer", "runtime/mlx", false, true},
		{"runtime", "convert", false, false},
		{"runtime", "convert", true, true},
		{"convert", "runtime", true, false},
		{"manifest", "quant", false, false},
		{"arch", "convert", false, false},
		{"convert/source", "convert/plan", false, false},
		{"convert/plan", "convert/source", false, true},
		{"convert/plan", "convert/write", false, false},
		{"convert/encode", "convert/write", false, false},
		{"convert/write", "convert/export", false, false},
		{"convert/export", "convert/encode", false, true},
		{"convert/export", "convert/write", false, false},
		{".", "verify", false, true},
		{".", "cmd/qimport", false, false},
		{"verify", ".", false, false},
		{"cmd/qimport", ".", false, true},
		{"verify", "cmd/qimport", false, false},
		{"verify/score", "verify/language", false, false},
		{"verify", "runtime/chat", false, true},
		{"quantum", "quant", false, false},
		{"manifest", border, false, true},
		{"quant/kernel", border, false, true},
		{border, "quant", false, false},
		{border, "internal/table", false, false},
		{"quant", "internal/spelling", false, true},
	} {
		r, known := roomOf(c.from)
		if got := known && r.allows(c.to, c.test); got != c.allowed {
			t.Errorf("%s importing %s: allowed %v, want %v", c.from, c.to, got, c.allowed)
		}
	}
}

// goFiles lists the Go files of the module at root by their slash paths in it. What make brings
// and what only tests read is left out.
func goFiles(t *testing.T, root string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		left := d.Name() == "lib" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")
		if d.IsDir() && file != root && left {
			return fs.SkipDir
		}
		if !d.IsDir() && filepath.Ext(file) == ".go" {
			relative, err := filepath.Rel(root, file)
			files = append(files, filepath.ToSlash(relative))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Fatalf("only %d Go files under %s", len(files), root)
	}
	return files
}

// roomOf finds the room that a folder belongs to.
func roomOf(folder string) (room, bool) {
	for _, r := range rooms() {
		if inside(folder, r.folder) {
			return r, true
		}
	}
	return room{}, false
}

// allows says whether files of this room, or its tests, may import a folder of the module.
func (r room) allows(folder string, test bool) bool {
	may := append([]string{r.folder}, r.may...)
	if !slices.Contains(lowest(), r.folder) {
		may = append(may, lowest()...)
	}
	if test {
		may = append(may, r.tests...)
	}
	return slices.ContainsFunc(may, func(f string) bool { return inside(folder, f) })
}

func inside(folder, room string) bool { return folder == room || strings.HasPrefix(folder, room+"/") }
