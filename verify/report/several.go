package report

import (
	"fmt"
	"io"
	"strings"

	"qimport/internal/untrusted"
)

// Run is one of several models that were made one after the other: how that ended, and the verdict.
type Run struct {
	Name    string
	Status  string // in a word
	Good    bool
	Error   string
	Seconds float64
	Report  *Report // nil where nothing was verified
}

// Checked says how far a model was verified, and with what result: "smoke, 41 of 41".
func (r Run) Checked() string {
	if r.Report == nil {
		return ""
	}
	return fmt.Sprintf("%s, %d of %d", r.Report.Level, r.Report.Count(Passed), len(r.Report.Checks))
}

// KL is the mean divergence from the source; "" where it was not measured.
func (r Run) KL() string {
	if r.Report == nil || r.Report.Divergence == nil {
		return ""
	}
	return fmt.Sprintf("%.3g", r.Report.Divergence.MeanKL)
}

// WriteSeveralJUnit writes runs as JUnit XML, a suite each: its checks, and first the making itself.
func WriteSeveralJUnit(w io.Writer, runs []Run) error {
	var suites []junitSuite
	for _, r := range runs {
		suite := junitSuite{Name: "qimport batch " + r.Name}
		if r.Report != nil {
			suite = r.Report.junit()
		}
		made := junitCase{Class: junitClass(r.Name), Name: "import", Time: seconds(r.Seconds), Output: r.Status}
		if !r.Good {
			made.Failure, made.Output = &junitProblem{Message: r.Error, Text: r.Error}, ""
			suite.Failures++
		}
		suite.Tests++
		suite.Cases = append([]junitCase{made}, suite.Cases...)
		suite.Time = seconds(r.Seconds) // the checks' are in it
		suites = append(suites, suite)
	}
	return writeJUnit(w, suites)
}

// WriteSeveralMarkdown writes runs as a table of Markdown, and what was wrong below it.
func WriteSeveralMarkdown(w io.Writer, runs []Run, what string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n| model | import | verified | mean KL, nats | seconds |\n|---|---|---|---|---|\n", cell(what))
	for _, r := range runs {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %.1f |\n", cell(r.Name), cell(r.Status), r.Checked(), r.KL(), r.Seconds)
	}
	for _, r := range runs {
		if !r.Good {
			fmt.Fprintf(&b, "\n**%s** %s: %s\n", cell(r.Name), cell(r.Status), cell(r.Error))
			if r.Report != nil {
				r.Report.writeFaults(&b)
			}
		}
	}
	_, err := io.WriteString(w, untrusted.Lines(b.String(), 0))
	return err
}
