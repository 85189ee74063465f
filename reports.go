package qimport

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"qimport/internal/replace"
	"qimport/internal/untrusted"
	"qimport/verify/report"
)

// ErrReport marks a report that cannot be written where it was asked for.
var ErrReport = errors.New("the report cannot be written")

// CheckReports refuses files whose ending says no form of a report, before anything is run.
func CheckReports(files []string) error {
	for _, file := range files {
		if _, ok := report.Forms()[filepath.Ext(file)]; !ok {
			return optionsf("--report %s: the file's ending must be .json, .xml, .html, .md, .txt or .annotations", file)
		}
	}
	return nil
}

// pendingReports are files for a verdict that is yet to come, begun beside their places, so that a
// place where nothing can be written is told before anything is run.
type pendingReports []pendingReport

type pendingReport struct {
	name string
	file *replace.File
}

// openReports begins the files. Whoever opens them closes them.
func openReports(files []string) (pendingReports, error) {
	var all pendingReports
	for _, name := range files {
		err := checkPlace(name)
		if err == nil {
			var f *replace.File
			if f, err = replace.New(name, replace.Public); err == nil {
				all = append(all, pendingReport{name, f})
			}
		}
		if err != nil {
			all.close()
			return nil, fmt.Errorf("%w: %w", ErrReport, err)
		}
	}
	return all, nil
}

// checkPlace refuses what a file cannot take the place of.
func checkPlace(name string) error {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return untrusted.CheckRegular(name, info)
}

// write puts the verdict in place.
func (all pendingReports) write(r *report.Report) error {
	return all.writeAs(func(ending string, w io.Writer) error { return report.Forms()[ending](r, w) })
}

// writeAs puts each file in place as a whole, in the form of its ending.
func (all pendingReports) writeAs(form func(ending string, w io.Writer) error) error {
	for _, p := range all {
		err := form(filepath.Ext(p.name), p.file)
		if err == nil {
			err = p.file.Place()
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrReport, err)
		}
	}
	return nil
}

// close drops what was not written.
func (all pendingReports) close() {
	for _, p := range all {
		_ = p.file.Drop()
	}
}
