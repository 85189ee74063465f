package qimport

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"qimport/internal/untrusted"
	"qimport/manifest"
	"qimport/verify/report"
)

// The bounds of a comparison: bytes of one report, and how many there are. A page of more columns is none
// that anybody reads.
const (
	MaxReport   = 64 << 20
	MaxCompared = 16
)

// Compare puts reports beside each other: files of JSON, or verdicts that the store keeps of its models.
// Files are written where they are asked for, as pages or JSON by their ending.
func Compare(store func() (*manifest.Store, error), named, files []string) (report.Comparison, error) {
	for _, file := range files {
		if ending := filepath.Ext(file); ending != ".html" && ending != ".json" {
			return report.Comparison{}, optionsf("--report %s: the file's ending must be .html or .json", file)
		}
	}
	if len(named) > MaxCompared {
		return report.Comparison{}, optionsf("%d reports are too many beside each other: at most %d", len(named), MaxCompared)
	}
	var all []report.LabeledReport
	for _, name := range named {
		r, err := openReport(store, name)
		if err != nil {
			return report.Comparison{}, err
		}
		all = append(all, report.LabeledReport{Label: name, Report: r})
	}
	shortenLabels(all)
	c := report.Compare(all)
	return c, writeComparison(&c, files)
}

// openReport reads a report: of the file where there is one, else what the store keeps of the name.
func openReport(store func() (*manifest.Store, error), named string) (report.Report, error) {
	if _, err := os.Stat(named); err == nil || strings.HasSuffix(named, ".json") || filepath.IsAbs(named) {
		b, err := untrusted.ReadFile(named, MaxReport)
		if err != nil {
			return report.Report{}, err
		}
		return reportIn(named, b)
	}
	name, err := manifest.ParseName(named)
	if err != nil {
		return report.Report{}, fmt.Errorf("%s is no file, and no name of the store: %w", named, err)
	}
	s, err := store()
	if err != nil {
		return report.Report{}, err
	}
	entry, err := s.Lookup(name)
	if err != nil {
		return report.Report{}, err
	}
	r, err := KeptVerdict(s, entry.Digest)
	if err == nil && r == nil {
		return report.Report{}, fmt.Errorf("the store keeps no verdict on %s: qimport verify %s makes one", entry.Name, entry.Name)
	}
	if err != nil {
		return report.Report{}, err
	}
	return *r, nil
}

// reportIn reads a report, or the one that is in what an import printed with --json.
func reportIn(file string, b []byte) (report.Report, error) {
	var printed struct {
		Checks       *[]report.Check `json:"checks"`
		Verification *report.Report  `json:"verification"`
	}
	if err := untrusted.Unmarshal(b, &printed); err != nil {
		return report.Report{}, fmt.Errorf("%s is no report: %w", file, err)
	}
	if r := printed.Verification; r != nil && r.Schema == report.Schema {
		return *r, nil
	}
	if printed.Checks == nil {
		return report.Report{}, fmt.Errorf("%s is no report of a verification: it has no checks", file)
	}
	r, err := report.Parse(b)
	if err != nil {
		return r, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// shortenLabels takes away the folder and the ending that all labels have in common.
func shortenLabels(all []report.LabeledReport) {
	seen := map[string]bool{}
	var short []string
	for _, r := range all {
		base := strings.TrimSuffix(filepath.Base(r.Label), ".json")
		short = append(short, base)
		seen[base] = true
	}
	if len(seen) < len(all) {
		return // the folders tell them apart
	}
	for i := range all {
		if strings.HasSuffix(all[i].Label, ".json") {
			all[i].Label = short[i]
		}
	}
}

func writeComparison(c *report.Comparison, files []string) error {
	pending, err := openReports(files)
	if err != nil {
		return err
	}
	defer pending.close()
	return pending.writeAs(func(ending string, w io.Writer) error {
		if ending == ".html" {
			return c.WriteHTML(w)
		}
		return c.WriteJSON(w)
	})
}
