package report

import (
	"fmt"
	"io"
	"strings"

	"qimport/internal/untrusted"
)

// writeAnnotations writes what did not pass, and what warned, as commands of a GitHub workflow, which are
// shown beside the run: one a line, "::error title=smoke.answer.1::…".
func writeAnnotations(r *Report, w io.Writer) error {
	var b strings.Builder
	for _, c := range r.Checks {
		switch {
		case c.Passed != Passed:
			fmt.Fprintf(&b, "::error title=%s::%s\n", property(c.Name), message(r.Name+": "+c.Passed.String()+": "+c.Detail+c.bound()))
		case c.Warning != "":
			fmt.Fprintf(&b, "::warning title=%s::%s\n", property(c.Name), message(r.Name+": "+c.Warning))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// message keeps a text from ending its command. Lines are shown as such.
func message(s string) string {
	return strings.NewReplacer("%", "%25", "\n", "%0A").Replace(untrusted.Lines(s, 0))
}

// property is a message where commas and colons part values.
func property(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(message(s))
}
