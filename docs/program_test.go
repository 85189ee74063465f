package docs_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// built is the program, once for all tests of this package.
var built struct {
	sync.Once
	dir string
	err error
	out []byte
}

func TestMain(m *testing.M) {
	status := m.Run()
	os.RemoveAll(built.dir)
	os.Exit(status)
}

// binary builds the program as the environment says, with MLX or without.
func binary(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("building the program takes a while; it is done without -short")
	}
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "qimport-docs-"); built.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-ldflags", "-X main.version=dev", "-o", filepath.Join(built.dir, "qimport"), "./cmd/qimport")
		cmd.Dir = root
		built.out, built.err = cmd.CombinedOutput()
	})
	if built.err != nil {
		t.Fatalf("%v\n%s(for a build with MLX: eval \"$(make -s env)\")", built.err, built.out)
	}
	return filepath.Join(built.dir, "qimport")
}

// help is what the program says of itself or of a command.
func help(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary(t), append(args, "--help")...).Output()
	if err != nil {
		t.Fatalf("qimport %v --help: %v", args, err)
	}
	return string(out)
}

// commandList is the list of commands in the program's help.
func commandList(t *testing.T) (lines string) {
	t.Helper()
	_, rest, _ := strings.Cut(help(t), "\nCommands\n")
	list, _, _ := strings.Cut(rest, "\n\n")
	for line := range strings.Lines(list) {
		lines += "    " + strings.TrimPrefix(strings.TrimRight(line, "\n"), "  ") + "\n"
	}
	return lines
}

// TestReadmeCommands holds the README's list of commands to the program's.
func TestReadmeCommands(t *testing.T) {
	holdPart(t, "README.md", "commands", "\n"+commandList(t)+"\n")
}

var inlineCommand = regexp.MustCompile("`(qimport [^`]+)`")

// commandLines are the command lines of qimport in a document: in its code, which is indented or
// begins with "$", and between backticks.
func commandLines(text string) (lines []string) {
	for line := range strings.Lines(text) {
		prompted, is := strings.CutPrefix(line, "$ ")
		code := strings.TrimSpace(prompted)
		if strings.HasPrefix(code, "qimport ") && (is || strings.HasPrefix(line, "    ")) {
			lines = append(lines, code)
			continue
		}
		for _, m := range inlineCommand.FindAllStringSubmatch(line, -1) {
			lines = append(lines, m[1])
		}
	}
	return lines
}

// TestCommandLines: every command and flag that a document shows is one of the program's.
func TestCommandLines(t *testing.T) {
	commands := strings.Fields(commandList(t))
	flags := map[string]string{} // the help of each command
	checked := 0
	for _, name := range documents(t) {
		for _, line := range commandLines(read(t, name)) {
			for _, words := range simpleCommands(line) {
				if len(words) < 2 || words[0] != "qimport" || strings.HasPrefix(words[1], "-") {
					continue
				}
				command := words[1]
				if !slices.Contains(commands, command) {
					t.Errorf("%s: %s: there is no command %s", name, line, command)
					continue
				}
				if flags[command] == "" {
					flags[command] = help(t, command)
				}
				for _, word := range words[2:] {
					flag, _, _ := strings.Cut(word, "=")
					if len(flag) > 1 && flag[0] == '-' && !regexp.MustCompile(regexp.QuoteMeta(flag)+`\b`).MatchString(flags[command]) {
						t.Errorf("%s: %s: %s has no flag %s", name, line, command, flag)
					}
				}
				checked++
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d command lines were found", checked)
	}
}

// simpleCommands divides a line of shell into its commands, and these into words: as much of the
// shell's grammar as the documents use.
func simpleCommands(line string) [][]string {
	var all [][]string
	var words []string
	word, in, quote := "", false, rune(0)
	endWord := func() {
		if in {
			words = append(words, word)
		}
		word, in = "", false
	}
	endCommand := func() {
		endWord()
		if len(words) > 0 {
			all = append(all, words)
		}
		words = nil
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word += string(r)
		case r == '\'' || r == '"':
			quote, in = r, true
		case r == ' ':
			endWord()
		case strings.ContainsRune("|&;", r):
			endCommand()
		default:
			word += string(r)
			in = true
		}
	}
	endCommand()
	return all
}

func TestSimpleCommands(t *testing.T) {
	got := simpleCommands(`qimport run a 'b | c' --x="d e" && mlx_lm.generate --model ./out | jq`)
	want := [][]string{{"qimport", "run", "a", "b | c", "--x=d e"}, {"mlx_lm.generate", "--model", "./out"}, {"jq"}}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%q", got)
	}
}

// runIn runs a program in a folder and returns all that it prints.
func runIn(ctx context.Context, t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// TestRecipeExamples: every override that docs/recipes.md shows, and its recipe file, can be planned
// for a shipped model.
func TestRecipeExamples(t *testing.T) {
	page := read(t, "docs/recipes.md")
	plan := func(flags ...string) {
		t.Helper()
		args := append([]string{"plan", "testdata/qwen3.5-bf16", "--store", t.TempDir()}, flags...)
		runIn(t.Context(), t, root, nil, binary(t), args...)
	}
	overrides := 0
	for line := range strings.Lines(page) {
		if words := simpleCommands(line); len(words) > 0 && words[0][0] == "--override" && strings.HasPrefix(line, "    ") {
			plan("-q", "nvfp4", "--override", words[0][1])
			overrides++
		}
	}
	if overrides == 0 {
		t.Error("docs/recipes.md shows no override")
	}
	_, rest, found := strings.Cut(page, "    # recipe.yaml\n")
	if !found {
		t.Fatal("docs/recipes.md shows no recipe.yaml")
	}
	var recipe strings.Builder
	for line := range strings.Lines(rest) {
		inside, ok := strings.CutPrefix(line, "    ")
		if !ok {
			break
		}
		recipe.WriteString(inside)
	}
	file := filepath.Join(t.TempDir(), "recipe.yaml")
	if err := os.WriteFile(file, []byte(recipe.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	plan("--recipe", file)
}

// TestTroubleTable: what docs/trouble.md says that the program says is in its source, but for what the
// system says.
func TestTroubleTable(t *testing.T) {
	system := []string{"libmlxc.so: cannot open shared object file", "permission denied"}
	_, rest, _ := strings.Cut(read(t, "docs/trouble.md"), "| you see | do |")
	table, _, _ := strings.Cut(rest, "\n\n")
	source := goSource(t)
	for line := range strings.Lines(table) {
		cells := strings.SplitN(line, "|", 4)
		if len(cells) < 4 {
			continue
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
			said, _, _ := strings.Cut(m[1], "…")
			if said = strings.Trim(said, ": "); !slices.Contains(system, said) && !strings.Contains(source, said) {
				t.Errorf("the program does not say %q", said)
			}
		}
	}
}

// goSource is the code of the program, without its tests.
func goSource(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for line := range strings.Lines(goTool(t, "list", "-f", "{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}\n{{end}}", "./...")) {
		b, err := os.ReadFile(strings.TrimSpace(line))
		if err == nil {
			all.Write(b)
		}
	}
	return all.String()
}
