package qimport

import (
	"context"

	"qimport/manifest"
	"qimport/verify"
	"qimport/verify/peer"
	"qimport/verify/report"
)

// VerifyOptions say what a verification asks.
type VerifyOptions struct {
	Against string // the SOURCE that the model was made from; "" where it is not at hand
	// Adapters were fused into it: SOURCE or SOURCE=SCALE.
	Adapters []string
	MTPFrom  string // SOURCE of the head that it was given
	Ollama   string // address of one that runs and is asked the same; "" for none
	Checks   verify.Options
	Reports  []string // files for the verdict, each in the form that its ending says
	Watch    Watcher  // nil is no one
}

// Verify judges a model of the store, or a directory, and keeps the verdict on a stored one where
// show finds it. A verdict that says no is no error: it is in the report. Stores opens the store;
// it is not called for a directory.
func Verify(ctx context.Context, stores Stores, named string, o VerifyOptions) (report.Report, error) {
	if o.Checks.Level == verifyNone {
		return report.Report{}, optionsf("--level none leaves nothing to verify")
	}
	adapters, err := parseAdapters("", o.Adapters)
	if err != nil {
		return report.Report{}, err
	}
	switch {
	case len(adapters) > 0 && o.Against == "":
		return report.Report{}, optionsf("--adapter %s: it is fused into what --against names, which is missing", o.Adapters[0])
	case o.MTPFrom != "" && o.Against == "":
		return report.Report{}, optionsf("--mtp-from %s: it completes what --against names, which is missing", o.MTPFrom)
	}
	if o.Ollama != "" {
		if o.Checks.Ollama, err = peer.New(o.Ollama); err != nil {
			return report.Report{}, optionsf("--ollama: %w", err)
		}
	}
	if err := CheckReports(o.Reports); err != nil {
		return report.Report{}, err
	}
	reports, err := openReports(o.Reports)
	if err != nil {
		return report.Report{}, err
	}
	defer reports.close()
	m, err := Find(stores, named)
	if err != nil {
		return report.Report{}, err
	}
	if o.Checks.Ollama != nil {
		if m.store == nil {
			return report.Report{}, optionsf("--ollama %s: it serves models of a store, and %s is a directory", o.Ollama, m.Name)
		}
		overlay, err := m.Overlay()
		if err != nil {
			return report.Report{}, err
		}
		m.System, m.Before = overlay.System, overlay.Turns()
	}
	kept := m.keptVerdict(o.Watch)
	if kept != nil {
		m.Provenance = kept.Provenance
	}
	if o.Against != "" {
		src, err := openWhole(ctx, o.Against, o.MTPFrom, adapters, o.Watch)
		if err != nil {
			return report.Report{}, err
		}
		defer src.Close()
		m.Against, m.Provenance.Against = src.Source, src.Label()
	}
	r, err := judge(ctx, m.Target, o.Checks, o.Watch)
	if err != nil {
		return report.Report{}, err
	}
	if err := reports.write(&r); err != nil {
		return r, err
	}
	if kept == nil || !r.Passed || !saysMore(kept, &r) {
		m.keepVerdict(&r, o.Watch)
	}
	return r, nil
}

// judge runs a verification, telling what is being checked.
func judge(ctx context.Context, target verify.Target, o verify.Options, w Watcher) (report.Report, error) {
	progress := begin(w, "verify")
	defer progress.End()
	o.Progress = progress.Step
	o.Announce = func(text string) { notef(w, "%s", text) }
	return verify.Run(ctx, target, o)
}

// keptVerdict is what the store keeps of a stored model; nil for none, and for a directory.
func (m Model) keptVerdict(w Watcher) *report.Report {
	if m.store == nil {
		return nil
	}
	kept, note := readVerdict(m.store, m.Manifest)
	if note != "" {
		notef(w, "note: %s", note)
	}
	return kept
}

// keepVerdict keeps the verdict on a stored model. A store that may only be read is verified as well,
// so that a failure is but told.
func (m Model) keepVerdict(r *report.Report, w Watcher) {
	if m.store == nil {
		return
	}
	if err := keepVerdict(m.store, m.Manifest, r); err != nil {
		notef(w, "the verdict is not kept beside the store: %v", err)
	}
}

// Stores opens the store that the caller means. Nothing is made on the disk by that.
type Stores func() (*manifest.Store, error)
