package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"qimport/convert/plan"
	"qimport/convert/write"
	"qimport/manifest"
	"qimport/verify"
	"qimport/verify/report"
)

// written is a model whose blobs are all in the stage, and that no name points at yet.
type written struct {
	start    time.Time
	stage    *manifest.Stage // for who receives it to end
	manifest manifest.Manifest
	target   verify.Target
	result   importResult // as far as it is known: not judged, not published
}

// writeSource is the first half of an import: from plan to manifest.
func (s stdio) writeSource(ctx context.Context, store *manifest.Store, src openedSource, o importOptions) (written, error) {
	w := written{start: time.Now()}
	name, err := importName(store, src, o)
	if err != nil {
		return w, err
	}
	plan, err := makePlan(ctx, src, o)
	if err != nil {
		return w, err
	}
	if o.checks.Level != report.None && !slices.Contains(plan.Files, "tokenizer.json") {
		return w, fmt.Errorf("%s: there is no tokenizer.json, without which no model can be verified: fetch it too, or import with --verify none", plan.Origin)
	}
	for _, warning := range plan.Warnings {
		s.note("warning: %s", warning)
	}
	provenance, err := src.provenance(ctx, plan, o.recipe)
	if err != nil {
		return w, err
	}
	if w.stage, err = openStage(store, plan); err != nil {
		return w, err
	}
	var stats write.Stats
	if w.manifest, stats, err = s.writeStage(ctx, store, w.stage, src, plan, o.jobs); err != nil {
		return w, errors.Join(err, w.stage.Keep())
	}
	w.result = importResult{
		Schema: 1, Name: name, Manifest: w.manifest.Digest(), Tensors: stats.Tensors,
		BytesRead: stats.BytesRead, BytesWritten: stats.BytesWritten, BytesReused: stats.BytesReused, ScaleSearch: stats.Gains,
		Seconds: time.Since(w.start).Seconds(),
	}
	w.target = verify.Staged(name.String(), w.manifest, w.stage.Path)
	w.target.Against, w.target.Provenance = src.Source, provenance
	return w, nil
}

// openStage opens the staging folder of a plan, and checks that the store can take what an earlier
// run has not written yet.
func openStage(store *manifest.Store, plan plan.Plan) (*manifest.Stage, error) {
	if _, err := store.Preflight(0); err != nil {
		return nil, err
	}
	fingerprint, err := write.Fingerprint(plan)
	if err != nil {
		return nil, err
	}
	stage, err := store.Stage(fingerprint)
	if err != nil {
		return nil, err
	}
	if _, err := store.Preflight(write.Remaining(plan, stage)); err != nil {
		return nil, errors.Join(err, stage.Keep())
	}
	return stage, nil
}

// writeStage carries the plan out, under a bar.
func (s stdio) writeStage(ctx context.Context, store *manifest.Store, stage *manifest.Stage, src openedSource, plan plan.Plan, jobs int) (manifest.Manifest, write.Stats, error) {
	index, err := write.OpenIndex(store.IndexPath())
	if err != nil {
		return manifest.Manifest{}, write.Stats{}, err
	}
	bar := s.progress("import")
	defer bar.end()
	m, stats, err := write.Blobs(ctx, plan, src.Source, stage, write.Options{
		Jobs: jobs, Index: index,
		Progress: bar.written,
	})
	if err != nil {
		return m, stats, err
	}
	return m, stats, index.Save()
}
