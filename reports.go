package qimport

import (
	"fmt"
	"path/filepath"

	"github.com/google/renameio/v2"

	"qimport/verify/report"
)

// CheckReports refuses files whose ending says no form of a report, before anything is run.
func CheckReports(files []string) error {
	for _, file := range files {
		if _, ok := report.Forms()[filepath.Ext(file)]; !ok {
			return optionsf("--report %s: the file's ending must be .json, .xml, .html, .md or .txt", file)
		}
	}
	return nil
}

// WriteReports writes the verdict to files, each replaced as a whole.
func WriteReports(files []string, r *report.Report) error {
	for _, file := range files {
		if err := writeReport(file, r); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	return nil
}

func writeReport(file string, r *report.Report) error {
	f, err := renameio.NewPendingFile(file, renameio.WithPermissions(0o644), renameio.IgnoreUmask())
	if err != nil {
		return err
	}
	defer f.Cleanup()
	if err := report.Forms()[filepath.Ext(file)](r, f); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}
