package docs_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// block is code that a document shows, with the mark that stands before it.
type block struct {
	line  int
	mark  string // within <!-- and -->; empty where there is none
	lines []string
}

var comment = regexp.MustCompile(`^<!-- (.*) -->$`)

// blocks are the fenced and the indented ones of a document.
func blocks(text string) (all []block) {
	mark, fenced, open, blank := "", false, false, true
	for i, line := range strings.Split(text, "\n") {
		indented, isIndented := strings.CutPrefix(line, "    ")
		switch m := comment.FindStringSubmatch(line); {
		case strings.HasPrefix(line, "```"):
			if fenced = !fenced; fenced {
				all = append(all, block{line: i + 1, mark: mark})
			}
			mark, open = "", false
		case fenced:
			last := &all[len(all)-1]
			last.lines = append(last.lines, line)
		case m != nil:
			mark, open = m[1], false
		case isIndented && (open || blank || mark != ""):
			if !open {
				all = append(all, block{line: i + 1, mark: mark})
			}
			last := &all[len(all)-1]
			last.lines, mark, open = append(last.lines, indented), "", true
		case line == "":
		default:
			mark, open = "", false
		}
		blank = line == ""
	}
	return all
}

// session takes a block apart into commands with what they print. Without prompts each line is one.
func (b block) session() []exchange {
	if slices.ContainsFunc(b.lines, func(line string) bool { return strings.HasPrefix(line, "$ ") }) {
		return exchanges(strings.Join(b.lines, "\n") + "\n")
	}
	var all []exchange
	for _, line := range b.lines {
		if n := len(all); n > 0 && strings.HasSuffix(all[n-1].command, "\\") {
			all[n-1].command += "\n" + line
			continue
		}
		if line != "" {
			all = append(all, exchange{command: line})
		}
	}
	return all
}

// matches says whether lines are what a page shows: a line that is an ellipsis stands for any lines, and
// an ellipsis within one for any words.
func matches(shown, printed []string) bool {
	var pattern strings.Builder
	pattern.WriteString(`\A`)
	for _, line := range shown {
		if line == "…" {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}
		pattern.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*") + `\n`)
	}
	return regexp.MustCompile(pattern.String() + `\z`).MatchString(strings.Join(append(slices.Clone(printed), ""), "\n"))
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		shown, printed string
		want           bool
	}{
		{"a|b", "a|b", true},
		{"a|b", "a", false},
		{"a", "a|b", false},
		{"a|…", "a|b|c", true},
		{"…|c", "a|b|c", true},
		{"…|b", "a|b|c", false},
		{"a … s", "a 2.5 s", true},
		{"a … s", "a 2.5 m", false},
		{"a.c", "abc", false},
	} {
		if got := matches(strings.Split(c.shown, "|"), strings.Split(c.printed, "|")); got != c.want {
			t.Errorf("%q of %q: %v", c.shown, c.printed, got)
		}
	}
}

func TestBlocks(t *testing.T) {
	all := blocks("# T\n\n    one\n    two\n\ntext\n    no code\n\n<!-- run -->\n```text\n$ a\nb\n```\n\n<!-- not run: why -->\n\n    c \\\n      d\n    e\n")
	if len(all) != 3 || all[0].mark != "" || all[1].mark != "run" || all[2].mark != "not run: why" {
		t.Fatalf("%+v", all)
	}
	if s := all[1].session(); len(s) != 1 || s[0].command != "a" || !slices.Equal(s[0].output, []string{"b"}) {
		t.Errorf("%+v", s)
	}
	if s := all[2].session(); len(s) != 2 || s[0].command != "c \\\n  d" {
		t.Errorf("%+v", s)
	}
}
