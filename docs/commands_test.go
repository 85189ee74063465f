package docs_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommands runs what the pages show: the blocks of a page that are marked "run", one after the
// other in a folder of its own, whose output is what the page says. A block that is marked "file: NAME"
// is a file there. Every other block says why it is not run, or which test holds it.
func TestCommands(t *testing.T) {
	tests := testNames(t)
	for _, name := range documents(t) {
		if !strings.HasPrefix(name, "docs/") {
			continue
		}
		t.Run(strings.TrimPrefix(name, "docs/"), func(t *testing.T) {
			var p *pageFolder
			for _, b := range blocks(read(t, name)) {
				kind, rest, _ := strings.Cut(b.mark, ": ")
				switch {
				case kind == "run", kind == "file":
					if p == nil {
						p = newPageFolder(t)
					}
					p.do(t, name, b, rest)
				case kind == "not run" && rest != "", name == demoPage && kind == "transcript":
				case kind == "held" && strings.Contains(tests, "func "+rest+"("):
				default:
					t.Errorf("%s:%d: the mark of this block is %q: it has to be run, a file: NAME, held: a test of docs, or not run: why", name, b.line, b.mark)
				}
			}
		})
	}
}

// testNames is the code of this package's tests.
func testNames(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		all.WriteString(read(t, filepath.Join("docs", f)))
	}
	return all.String()
}

// pageFolder is where a page's commands run: with the models, a store, and no network to be asked.
type pageFolder struct {
	dir string
	env []string
}

func newPageFolder(t *testing.T) *pageFolder {
	t.Helper()
	if strings.TrimSpace(goTool(t, "env", "CGO_ENABLED")) != "1" {
		t.Skip("running models wants MLX")
	}
	program := binary(t)
	dir := modelsFolder(t)
	for _, err := range []error{
		os.Symlink(filepath.Join("testdata", "qwen3.5-bf16"), filepath.Join(dir, "Qwen3.5-0.8B")), // as the pages call a model
		os.Mkdir(filepath.Join(dir, "hub"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return &pageFolder{dir, append(os.Environ(),
		"PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"),
		"OLLAMA_MODELS="+filepath.Join(dir, "store"), "HF_HOME="+filepath.Join(dir, "hub"), "HF_HUB_OFFLINE=1",
		"NO_COLOR=1", "OPENBLAS_NUM_THREADS=1")}
}

// do writes the file that a block is, or runs its commands and holds them to what it shows.
func (p *pageFolder) do(t *testing.T, name string, b block, file string) {
	t.Helper()
	if file != "" {
		if err := os.WriteFile(filepath.Join(p.dir, file), []byte(strings.Join(b.lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	session := b.session()
	if len(session) == 0 {
		t.Errorf("%s:%d: there is no command in it", name, b.line)
	}
	prompted := strings.HasPrefix(strings.Join(b.lines, "\n"), "$ ")
	for _, x := range session {
		printed, status := p.run(t, x.command)
		if status != 0 {
			printed = append(printed, fmt.Sprintf("[exit status %d]", status))
		}
		if prompted && !matches(x.output, printed) || !prompted && status != 0 {
			t.Errorf("%s:%d: %s printed\n%s\n\nwhere the page has\n%s", name, b.line, x.command, strings.Join(printed, "\n"), strings.Join(x.output, "\n"))
		}
	}
}

// run is what a command prints, without the lines at its end that are empty, and its exit status.
func (p *pageFolder) run(t *testing.T, command string) ([]string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-c", command)
	cmd.Dir, cmd.Env = p.dir, p.env
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", command, err)
	}
	text := strings.TrimRight(strings.ReplaceAll(string(out), p.dir, "."), "\n")
	if text == "" {
		return nil, cmd.ProcessState.ExitCode()
	}
	return strings.Split(text, "\n"), cmd.ProcessState.ExitCode()
}
