package qimport

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"qimport/internal/untrusted"
	"qimport/verify/report"
)

// BatchSummary is what a batch did, as scripts read it.
type BatchSummary struct {
	Schema    int         `json:"schema"`
	Imports   []BatchLine `json:"imports"`
	Done      int         `json:"done"`
	Unchanged int         `json:"unchanged"`
	Refused   int         `json:"refused"`
	Failed    int         `json:"failed"`
	Left      int         `json:"left_out"`
	Seconds   float64     `json:"seconds"`
}

// add counts an import. Left counts those that are not.
func (s *BatchSummary) add(l BatchLine) {
	s.Imports = append(s.Imports, l)
	s.Left--
	*map[Status]*int{Done: &s.Done, Unchanged: &s.Unchanged, Refused: &s.Refused, Failed: &s.Failed}[l.Status]++
}

// String is the summary in a line.
func (s BatchSummary) String() string {
	return fmt.Sprintf("%d imports: %d done, %d unchanged, %d refused, %d failed, %d left out", len(s.Imports)+s.Left, s.Done, s.Unchanged, s.Refused, s.Failed, s.Left)
}

// Runs are the imports as reports have them.
func (s BatchSummary) Runs() []report.Run {
	var runs []report.Run
	for _, l := range s.Imports {
		runs = append(runs, report.Run{
			Name: l.Name.String(), Status: string(l.Status), Good: l.Error == "", Error: l.Error, Seconds: l.Seconds, Report: l.Verification,
		})
	}
	return runs
}

// CheckSummaries refuses files whose ending says no form of a summary, before anything is run.
func CheckSummaries(files []string) error {
	for _, file := range files {
		if _, ok := summaryForms[filepath.Ext(file)]; !ok {
			return optionsf("--summary %s: the file's ending must be .md, .xml (JUnit) or .json", file)
		}
	}
	return nil
}

var summaryForms = map[string]func(BatchSummary, io.Writer) error{
	".md":  func(s BatchSummary, w io.Writer) error { return report.WriteSeveralMarkdown(w, s.Runs(), s.String()) },
	".xml": func(s BatchSummary, w io.Writer) error { return report.WriteSeveralJUnit(w, s.Runs()) },
	".json": func(s BatchSummary, w io.Writer) error {
		b, err := json.MarshalIndent(s, "", "  ")
		if err == nil {
			_, err = w.Write(append(untrusted.JSON(b), '\n'))
		}
		return err
	},
}

// write puts the summary in place.
func (s BatchSummary) write(files pendingReports) error {
	return files.writeAs(func(ending string, w io.Writer) error { return summaryForms[ending](s, w) })
}
