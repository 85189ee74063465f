// Command skips reads what go test -json writes, prints it as go test does without the flag, and
// says at the end which tests were skipped and for want of what. It fails where a test failed, and
// where the fixtures are required and a test did without them.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// fixtures is what a test names that skips, or does less, for want of the fixtures.
const fixtures = "QIMPORT_FIXTURES"

func main() {
	s, err := read(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "skips:", err)
		os.Exit(1)
	}
	s.write(os.Stdout)
	required := os.Getenv("CI_FIXTURES") == "required"
	if required && len(s.without) > 0 {
		fmt.Fprintln(os.Stderr, "skips: the fixtures are required, and not all tests had them")
	}
	if s.failed || required && len(s.without) > 0 {
		os.Exit(1)
	}
}

// event is one line of go test -json.
type event struct {
	Action, Package, Test, Output string
}

// summary is what a run left out.
type summary struct {
	failed  bool
	without []string            // tests that the fixtures were wanting for
	skipped map[string][]string // other skipped tests, by reason
}

// read takes all events, and prints what go test would print.
func read(from io.Reader, to io.Writer) (summary, error) {
	s := summary{skipped: map[string][]string{}}
	said := map[event]string{} // by package and test
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		var e event
		switch {
		case line == "":
		case !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &e) != nil:
			fmt.Fprint(to, line) // of make, or of a build that failed
		default:
			s.take(e, said, to)
		}
		if err == io.EOF {
			return s, nil
		}
		if err != nil {
			return s, err
		}
	}
}

// take is one event. What a test prints is kept until its end, when it is known whether to show it.
func (s *summary) take(e event, said map[event]string, to io.Writer) {
	test := event{Package: e.Package, Test: e.Test}
	switch e.Action {
	case "output", "build-output":
		if e.Test == "" {
			if e.Output != "PASS\n" {
				fmt.Fprint(to, e.Output)
			}
			return
		}
		said[test] += e.Output
		return
	case "fail", "build-fail":
		s.failed = true
		fmt.Fprint(to, said[test])
		if e.Test == "" { // what a test said that a panic or the time limit ended
			fmt.Fprint(to, unended(said, e.Package))
		}
	case "skip", "pass":
		s.judge(e, said[test])
	}
	delete(said, test)
}

// unended is what the tests of a package said that have not ended.
func unended(said map[event]string, of string) (text string) {
	for _, test := range slices.SortedFunc(maps.Keys(said), func(a, b event) int { return strings.Compare(a.Test, b.Test) }) {
		if test.Package == of {
			text += said[test]
			delete(said, test)
		}
	}
	return text
}

// judge files a test that did not fail.
func (s *summary) judge(e event, said string) {
	name := e.Package + "." + e.Test
	switch {
	case e.Test == "": // a package
	case strings.Contains(withoutCommands(said), fixtures):
		s.without = append(s.without, name)
	case e.Action == "skip":
		reason := reasonIn(said)
		s.skipped[reason] = append(s.skipped[reason], name)
	}
}

// withoutCommands is what a test said, less the lines in which testscript repeats the commands of a
// script: the reason to skip stands there also where the script went on.
func withoutCommands(said string) string {
	var b strings.Builder
	for line := range strings.Lines(said) {
		if !strings.HasPrefix(strings.TrimSpace(line), "> ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// reasonIn is what a test said when it skipped, without file and line.
func reasonIn(said string) string {
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		if _, reason, ok := strings.Cut(line, ".go:"); ok {
			_, reason, _ = strings.Cut(reason, ": ")
			return reason
		}
		return line
	}
	return "no reason given"
}

// write says what was left out.
func (s summary) write(to io.Writer) {
	if len(s.without) > 0 {
		fmt.Fprintf(to, "left out, or done in part, for want of the fixtures: %s\n", count(s.without))
		for _, name := range slices.Sorted(slices.Values(s.without)) {
			fmt.Fprintf(to, "    %s\n", name)
		}
	}
	for _, reason := range slices.SortedFunc(maps.Keys(s.skipped), func(a, b string) int {
		return cmp.Or(len(s.skipped[b])-len(s.skipped[a]), strings.Compare(a, b))
	}) {
		fmt.Fprintf(to, "skipped, %s: %s\n", reason, count(s.skipped[reason]))
	}
	if len(s.without)+len(s.skipped) == 0 {
		fmt.Fprintln(to, "no test was skipped")
	}
}

func count(tests []string) string {
	if len(tests) == 1 {
		return "1 test"
	}
	return fmt.Sprintf("%d tests", len(tests))
}
