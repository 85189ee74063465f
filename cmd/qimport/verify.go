package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"github.com/urfave/cli/v2"

	"qimport/verify"
	"qimport/verify/report"
)

func verifyCommand(s stdio) *cli.Command {
	flags := append([]cli.Flag{
		&cli.StringFlag{Name: "level", Usage: "`LEVEL` to go to: blobs, smoke or quality", Value: string(report.Smoke)},
		&cli.StringFlag{Name: "against", Usage: "`SOURCE` that the model was made from, for quality"},
		reportFlag(),
	}, checkFlags()...)
	return command(s, "verify", "NAME|DIR", "run the checks over a model of the store, or over a directory", `
blobs:   every blob is there, whole, and holds the tensors that the config needs
smoke:   the model runs with its delta state in float32, answers, and stops
quality: it says what its source says, in numbers with limits

Examples:
  qimport verify small:nvfp4
  qimport verify small:nvfp4 --prompt 'What is 2+2?' --expect '\b4\b'
  qimport verify small:nvfp4 --level quality --against ./Qwen3.5-0.8B --report r.html --report r.xml
  qimport verify small:nvfp4 --level quality --against ./Qwen3.5-0.8B --text prose.txt --text code.txt

Exit status: 0 every check was run and passed; 1 failed; 2 wrong usage; 3 a check said no or
could not be run; 130 interrupted.`,
		1, 1, flags, runVerify)
}

func runVerify(ctx context.Context, c call) error {
	o, err := c.checkOptions(c.String("level"))
	if err != nil {
		return err
	}
	if o.Level == report.None {
		return usagef("--level none leaves nothing to verify")
	}
	if err := checkReportNames(c.StringSlice("report")); err != nil {
		return err
	}
	target, err := c.target(c.Args().First())
	if err != nil {
		return err
	}
	kept, err := c.knownVerdict(target)
	if err != nil {
		return err
	}
	if kept != nil {
		target.Provenance = kept.Provenance
	}
	if c.IsSet("against") {
		src, err := openSource(ctx, c.String("against"))
		if err != nil {
			return err
		}
		defer src.Close()
		target.Against, target.Provenance.Against = src.Source, src.label()
	}
	report, err := c.judge(ctx, target, o)
	if err != nil {
		return err
	}
	if err := c.writeReports(&report); err != nil {
		return err
	}
	if kept == nil || !report.Passed || !saysMore(kept, &report) {
		c.keepVerdict(target, &report)
	}
	if err := c.print(&report, report.WriteText); err != nil {
		return err
	}
	if !report.Passed {
		return errRefused
	}
	return nil
}

// judge runs a verification, telling what is being checked.
func (s stdio) judge(ctx context.Context, target verify.Target, o verify.Options) (report.Report, error) {
	bar := s.progress("verify")
	defer bar.end()
	o.Progress, o.Version = bar.step, version
	return verify.Run(ctx, target, o)
}

// knownVerdict is what the store keeps of a stored model, nil for none.
func (c call) knownVerdict(target verify.Target) (*report.Report, error) {
	if target.Manifest.IsZero() {
		return nil, nil
	}
	store, err := c.openStore()
	if err != nil {
		return nil, err
	}
	return keptReport(store, target.Manifest)
}

// keepVerdict keeps the verdict on a stored model where show finds it. A store that may only be
// read is verified as well, so that a failure is but told.
func (c call) keepVerdict(target verify.Target, r *report.Report) {
	if target.Manifest.IsZero() {
		return
	}
	store, err := c.openStore()
	if err == nil {
		err = putReport(store, target.Manifest, r)
	}
	if err != nil {
		c.note("the verdict is not kept beside the store: %v", err)
	}
}

func reportFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "report", Usage: "write the report to `FILE`, in the form its ending says: .json .xml (JUnit) .html .md"}
}

// writeReports writes the files that were asked for.
func (c call) writeReports(r *report.Report) error {
	for _, name := range c.StringSlice("report") {
		if err := writeReport(name, r); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	return nil
}

// saysMore says whether a verdict of before still holds and went further than the new one.
func saysMore(kept, r *report.Report) bool {
	return kept.Stale(r.Manifest, r.Level) == "" && !r.Level.Covers(kept.Level)
}

// reportForms are the forms of a report by the ending of its file.
func reportForms() map[string]func(*report.Report, io.Writer) error {
	return map[string]func(*report.Report, io.Writer) error{
		".xml":  (*report.Report).WriteJUnit,
		".html": (*report.Report).WriteHTML,
		".txt":  (*report.Report).WriteText,
		".md": func(r *report.Report, w io.Writer) error {
			_, err := io.WriteString(w, r.Markdown())
			return err
		},
		".json": func(r *report.Report, w io.Writer) error {
			document, err := r.JSON()
			if err != nil {
				return err
			}
			_, err = w.Write(document)
			return err
		},
	}
}

// checkReportNames refuses endings that say no form, before anything is run.
func checkReportNames(names []string) error {
	for _, name := range names {
		if _, ok := reportForms()[filepath.Ext(name)]; !ok {
			return usagef("--report %s: the file's ending must be .json, .xml, .html, .md or .txt", name)
		}
	}
	return nil
}

// writeReport replaces the file as a whole.
func writeReport(name string, r *report.Report) error {
	f, err := renameio.NewPendingFile(name, renameio.WithPermissions(0o644), renameio.IgnoreUmask())
	if err != nil {
		return err
	}
	defer f.Cleanup()
	if err := reportForms()[filepath.Ext(name)](r, f); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}

// readTexts reads whole files.
func readTexts(names []string) ([]verify.Text, error) {
	var texts []verify.Text
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("--text: %w", err)
		}
		texts = append(texts, verify.Text{Name: name, Text: string(b)})
	}
	return texts, nil
}
