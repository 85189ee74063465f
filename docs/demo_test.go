package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const demoPage = "docs/demo.md"

// exchange is a command of the demo, and what it printed.
type exchange struct {
	command string
	output  []string
}

// exchanges takes a transcript apart.
func exchanges(transcript string) (all []exchange) {
	for line := range strings.Lines(transcript) {
		line = strings.TrimRight(line, "\n")
		switch command, is := strings.CutPrefix(line, "$ "); {
		case is:
			all = append(all, exchange{command: command})
		case len(all) > 0:
			last := &all[len(all)-1]
			last.output = append(last.output, line)
		}
	}
	for i := range all {
		for n := len(all[i].output); n > 0 && all[i].output[n-1] == ""; n-- {
			all[i].output = all[i].output[:n-1]
		}
	}
	return all
}

// transcript writes them as the demo prints them.
func transcript(all []exchange) string {
	var parts []string
	for _, x := range all {
		parts = append(parts, strings.Join(append([]string{"$ " + x.command}, x.output...), "\n")+"\n")
	}
	return "```text\n" + strings.Join(parts, "\n") + "```\n"
}

// shown are the exchanges of the demo's page.
func shown(t *testing.T) []exchange {
	t.Helper()
	_, rest, _ := strings.Cut(read(t, demoPage), "<!-- transcript -->\n```text\n")
	text, _, ok := strings.Cut(rest, "```\n<!-- end -->")
	if !ok {
		t.Fatalf("%s has no part transcript", demoPage)
	}
	return exchanges(text)
}

// demo runs demo.sh in a folder of its own, on that program.
func demo(t *testing.T, program func(path string)) []exchange {
	t.Helper()
	dir := demoFolder(t)
	program(filepath.Join(dir, "bin", "qimport"))
	return exchanges(fixed(dir, runIn(t.Context(), t, dir, nil, "sh", "demo.sh")))
}

// demoFolder is a folder with the script and the models, where nothing is written but into it.
func demoFolder(t *testing.T) string {
	t.Helper()
	dir := modelsFolder(t)
	for _, err := range []error{
		os.WriteFile(filepath.Join(dir, "demo.sh"), []byte(read(t, "demo.sh")), 0o755),
		os.Mkdir(filepath.Join(dir, "bin"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// modelsFolder is a folder with the models, in which commands can run as at the top of the repository.
func modelsFolder(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	models, err := filepath.Abs(filepath.Join(root, "testdata"))
	if err == nil {
		err = os.Symlink(models, filepath.Join(dir, "testdata"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var (
	freeSpace  = regexp.MustCompile(`(?m)^(store \S+: )\d.* free$`)
	needMemory = regexp.MustCompile(`(?m)^memory: about .* while`) // it goes by the number of cores
)

// fixed replaces what is not the program's to decide: where the store is, and how full the disk.
func fixed(dir, text string) string {
	text = needMemory.ReplaceAllString(strings.ReplaceAll(text, dir, "."), "memory: about 76 MB while")
	return freeSpace.ReplaceAllString(text, "${1}67 GB free")
}

// TestDemo holds the page to the script: the same commands in the same order. With -update, the
// script is run and the page gets what it prints.
func TestDemo(t *testing.T) {
	if *update {
		printed := demo(t, func(path string) {
			if err := os.Symlink(binary(t), path); err != nil {
				t.Fatal(err)
			}
		})
		holdPart(t, demoPage, "transcript", transcript(printed))
	}
	want := commandsOf(demo(t, func(path string) {
		stub := "#!/bin/sh\necho 'The result is 4, in Tokyo.'\n" // what the script's checks ask for
		if err := os.WriteFile(path, []byte(stub), 0o755); err != nil {
			t.Fatal(err)
		}
	}))
	if got := commandsOf(shown(t)); !slices.Equal(got, want) {
		t.Errorf("%s shows\n%s\nand demo.sh runs\n%s", demoPage, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func commandsOf(all []exchange) (commands []string) {
	for _, x := range all {
		commands = append(commands, x.command)
	}
	return commands
}

// TestDemoPlan holds what the page shows of plan, which is the same everywhere, to the program.
func TestDemoPlan(t *testing.T) {
	dir := demoFolder(t)
	checked := 0
	for _, x := range shown(t) {
		words := simpleCommands(x.command)[0]
		if words[1] != "plan" {
			continue
		}
		env := []string{"OLLAMA_MODELS=" + filepath.Join(dir, "demo-store")}
		got := strings.TrimRight(fixed(dir, runIn(t.Context(), t, dir, env, binary(t), words[1:]...)), "\n")
		if want := strings.Join(x.output, "\n"); got != want {
			t.Errorf("%s: %s prints\n%s\nwhere the page has\n%s\n(go test ./docs -update)", demoPage, x.command, got, want)
		}
		checked++
	}
	if checked == 0 {
		t.Errorf("%s shows no plan", demoPage)
	}
}

// excerpt is what the README shows of the demo: exchanges by the beginning of their command, lines
// by what is in them. What is left out between two lines is an ellipsis.
var excerpt = []struct {
	command string
	lines   []string
}{
	{"qimport plan", []string{"tensor ", "embed_tokens", "in_proj_qkv", "mlp.down_proj", "mlp.up_proj", "layers.3.self_attn.q_proj", "layers.7.self_attn.q_proj", "layers.7.self_attn.v_proj", "108 tensors"}},
	{"qimport import testdata/qwen3.5-bf16", []string{"blobs.digests", "smoke.prefill.513", "smoke.answer.2", "smoke.state", "verified (", "published:"}},
	{"qimport run dense 'What is the capital of Japan?'", []string{"weights as they are stored", "read ", "The capital of Japan"}},
}

// TestReadmeExcerpt holds what the README shows to the demo's page.
func TestReadmeExcerpt(t *testing.T) {
	all := shown(t)
	var picked []exchange
	for _, e := range excerpt {
		i := slices.IndexFunc(all, func(x exchange) bool { return strings.HasPrefix(x.command, e.command) })
		if i < 0 {
			t.Fatalf("%s has no command %s", demoPage, e.command)
		}
		picked = append(picked, exchange{all[i].command, pick(t, all[i], e.lines)})
	}
	holdPart(t, "README.md", "excerpt", transcript(picked))
}

// pick is the first line with each of the words, in order.
func pick(t *testing.T, x exchange, words []string) (lines []string) {
	t.Helper()
	next := 0
	for _, w := range words {
		i := slices.IndexFunc(x.output[next:], func(line string) bool { return strings.Contains(line, w) })
		if i < 0 {
			t.Fatalf("%s: %s printed no line with %q after line %d", demoPage, x.command, w, next)
		}
		if i > 0 {
			lines = append(lines, "…")
		}
		lines = append(lines, x.output[next+i])
		next += i + 1
	}
	if next < len(x.output) {
		lines = append(lines, "…")
	}
	return lines
}
