package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// told is a flag as help and man pages tell of it. Its usage is a line for the help, and lines below that
// which only the man page has.
type told struct {
	names       []string // with their dashes, the short one first
	value       string   // what stands for its value; "" where it takes none
	short, long string
	otherwise   string // what holds where it is not given
	group       string
	rare        bool
}

func tell(flag cli.Flag) told {
	f := flag.(cli.DocGenerationFlag) // all of the library's are
	short, long, _ := strings.Cut(f.GetUsage(), "\n")
	t := told{short: strings.ReplaceAll(short, "`", ""), long: long, group: outputGroup} // --help has no group
	if _, after, ok := strings.Cut(short, "`"); ok {
		t.value, _, _ = strings.Cut(after, "`")
	}
	for _, name := range flag.Names() {
		t.names = append(t.names, dashes(name))
	}
	slices.SortStableFunc(t.names, func(a, b string) int { return min(len(a), 3) - min(len(b), 3) })
	if f.TakesValue() {
		t.otherwise = strings.TrimPrefix(strings.Trim(f.GetDefaultText(), `"`), "0") // 0 is none
	}
	if category := *category(flag); category != "" {
		t.group, t.rare = strings.CutSuffix(category, rarely)
	}
	return t
}

// head is the flag as one types it.
func (t told) head() string {
	return strings.TrimSpace(strings.Join(t.names, ", ") + " " + t.value)
}

// grouped are the flags of a command, by their groups' order.
func grouped(flags []cli.Flag) [][]told {
	all := make([][]told, len(groups))
	for _, f := range flags {
		t := tell(f)
		i := slices.Index(groups, t.group)
		all[i] = append(all[i], t)
	}
	return slices.DeleteFunc(all, func(g []told) bool { return len(g) == 0 })
}

// part is a paragraph of a command's description.
type part struct {
	title string // Examples, Exit status; "" for prose
	lines []string
	first bool
}

// parts divides a description into its paragraphs.
func parts(description string) (all []part) {
	for paragraph := range strings.SplitSeq(strings.TrimSpace(description), "\n\n") {
		lines := strings.Split(paragraph, "\n")
		p := part{lines: lines, first: len(all) == 0}
		if title, rest, ok := strings.Cut(lines[0], ":"); ok && slices.Contains([]string{"Example", "Examples", "Exit status"}, title) {
			p.title = title
			if p.lines = lines[1:]; rest != "" {
				p.lines = append([]string{strings.TrimSpace(rest)}, lines[1:]...)
			}
		}
		all = append(all, p)
	}
	return all
}

// asIs says whether a part's lines must stay as they are.
func (p part) asIs() bool {
	return strings.HasPrefix(p.title, "Example") || slices.ContainsFunc(p.lines, func(l string) bool {
		return strings.HasPrefix(l, " ") || strings.Contains(l, ":  ") || strings.Contains(l, ": every")
	})
}
