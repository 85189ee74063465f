package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The part of JUnit's XML that every reader of it knows.
type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Time       string          `xml:"time,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitProblem `xml:"failure"`
	Error   *junitProblem `xml:"error"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the report as JUnit XML, one test case a check. A check that could not run is
// an error, not a skip: most readers count a skip as good.
func (r *Report) WriteJUnit(w io.Writer) error { return writeJUnit(w, []junitSuite{r.junit()}) }

// writeJUnit writes suites as a document.
func writeJUnit(w io.Writer, suites []junitSuite) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(junitSuites{Suites: suites}); err != nil {
		return fmt.Errorf("JUnit: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// junit is the report as a suite.
func (r *Report) junit() junitSuite {
	suite := junitSuite{
		Name: "qimport verify " + r.Name, Tests: len(r.Checks),
		Failures: r.Count(Failed), Errors: r.Count(NotRun), Properties: r.properties(),
	}
	total := 0.0
	for _, c := range r.Checks {
		total += c.Seconds
		suite.Cases = append(suite.Cases, c.junit(r.Name))
	}
	suite.Time = seconds(total)
	return suite
}

// junitClass is the class of a model's cases. Dots in a class name are levels to every reader of JUnit, and
// a tag has dots of its own.
func junitClass(model string) string { return "qimport." + strings.ReplaceAll(model, ".", "_") }

func (c Check) junit(model string) junitCase {
	j := junitCase{Class: junitClass(model), Name: c.Name, Time: seconds(c.Seconds)}
	problem := &junitProblem{Message: c.Detail + c.bound(), Text: c.Detail + c.bound()}
	switch c.Passed {
	case Failed:
		j.Failure = problem
	case NotRun:
		j.Error = problem
	default:
		j.Output = strings.TrimSpace(c.Detail + c.bound() + "\n" + c.Warning)
	}
	return j
}

func (r *Report) properties() []junitProperty {
	p := []junitProperty{{"level", string(r.Level)}, {"platform", r.Environment.Platform}}
	if r.Manifest != "" {
		p = append(p, junitProperty{"manifest", r.Manifest})
	}
	if r.Environment.Backend != "" {
		p = append(p, junitProperty{"backend", r.Environment.Backend})
	}
	if r.Needle != nil {
		p = append(p, junitProperty{"needle.tokens", fmt.Sprint(r.Needle.Tokens)}, junitProperty{"needle.accuracy", fmt.Sprintf("%.3f", r.Needle.Accuracy)})
	}
	if t := r.Template; t != nil {
		p = append(p, junitProperty{"template.turns", fmt.Sprint(t.Turns)}, junitProperty{"template.thinking", t.Thinking}, junitProperty{"template.tools", t.Tools})
	}
	if r.Effort != nil {
		p = append(p, junitProperty{"effort", r.Effort.What()}, junitProperty{"effort.expected", seconds(r.Effort.Expected)}, junitProperty{"effort.seconds", seconds(r.Effort.Seconds)})
	}
	if r.Ollama != nil {
		p = append(p, junitProperty{"ollama.version", r.Ollama.Version}, junitProperty{"ollama.digest", r.Ollama.Digest})
	}
	for _, k := range sortedKeys(r.Environment.Versions) {
		p = append(p, junitProperty{"version." + k, r.Environment.Versions[k]})
	}
	for _, k := range sortedKeys(r.Environment.Dtypes) {
		p = append(p, junitProperty{"dtype." + k, r.Environment.Dtypes[k]})
	}
	return p
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
