package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
)

// TestHelp: a command's help fits a screen, tells of every flag or names it, and fits a window.
func TestHelp(t *testing.T) {
	for _, c := range application(stdio{}).Commands {
		for _, width := range []int{plainWidth, 60} {
			help := commandHelp(c, width)
			if lines := strings.Count(help, "\n"); lines > screenful && width == plainWidth {
				t.Errorf("%s: %d lines, more than a screen's %d", c.Name, lines, screenful)
			}
			words := strings.FieldsFunc(help, func(r rune) bool { return strings.ContainsRune(" ,\n", r) })
			for _, f := range c.Flags {
				if !slices.Contains(words, dashes(f.Names()[0])) {
					t.Errorf("%s: the help does not name --%s", c.Name, f.Names()[0])
				}
			}
			flags, _, _ := strings.Cut(help, "\nExamples:")
			for l := range strings.Lines(flags) {
				if strings.HasPrefix(l, "  -") && runewidth.StringWidth(l) > width+1 {
					t.Errorf("%s: wider than %d columns: %q", c.Name, width, l)
				}
			}
		}
	}
}

// TestManPages: every page has every flag with all that is told of it, and mandoc finds nothing wrong.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	var out, errs bytes.Buffer
	if status := run(t.Context(), []string{"man", dir}, stdio{out: &out, err: &errs}); status != exitDone {
		t.Fatalf("exit status %d: %s", status, &errs)
	}
	pages, _ := filepath.Glob(filepath.Join(dir, "*.1"))
	app := application(stdio{})
	if len(pages) != 1+len(app.Commands) && len(pages) != len(app.Commands) { // help may be among the commands
		t.Errorf("%d pages of %d commands", len(pages), len(app.Commands))
	}
	for _, c := range app.Commands {
		page := string(manPage(app, c))
		for _, f := range c.Flags {
			told := tell(f)
			if !strings.Contains(page, "\n"+`\fB`+escaped(strings.Join(told.names, ", "))+`\fR`) || !strings.Contains(page, escaped(told.long)) {
				t.Errorf("%s: the page does not tell of %s", c.Name, told.head())
			}
		}
	}
	t.Run("mandoc", func(t *testing.T) { lint(t, pages) })
}

// lint lets mandoc look at pages.
func lint(t *testing.T, pages []string) {
	mandoc, err := exec.LookPath("mandoc")
	if err != nil {
		t.Skip("there is no mandoc here, which would look at the pages")
	}
	said, _ := exec.Command(mandoc, append([]string{"-Tlint", "-Wwarning"}, pages...)...).CombinedOutput() // fails where it says something
	for l := range strings.Lines(string(said)) {
		if !strings.Contains(l, "missing date") { // of a build that knows no commit
			t.Error(strings.TrimSpace(l))
		}
	}
}

// TestRoff: what a line begins with is no request, and what roff would read stays what it is.
func TestRoff(t *testing.T) {
	var r roff
	r.text(escaped(`.so /etc/passwd`))
	r.text(escaped(`'\b4\b'`))
	if want := `\&.so /etc/passwd` + "\n" + `\&'\eb4\eb'` + "\n"; r.String() != want {
		t.Errorf("%q, want %q", r.String(), want)
	}
}
