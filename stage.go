package qimport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"qimport/arch/files"
	"qimport/convert/plan"
	"qimport/convert/write"
	"qimport/manifest"
	"qimport/verify/report"
)

// staged is a model whose blobs are all on the disk, and that no name points at yet.
type staged struct {
	*manifest.Stage // for who receives it to end
	manifest        manifest.Manifest
	stats           write.Stats
}

// result is an import's so far: neither judged nor published.
func (s staged) result(name manifest.Name, start time.Time) ImportResult {
	return ImportResult{
		Schema: 1, Name: name, Manifest: s.manifest.Digest(), Tensors: s.stats.Tensors,
		BytesRead: s.stats.BytesRead, BytesWritten: s.stats.BytesWritten, BytesReused: s.stats.BytesReused,
		BlobsWritten: s.stats.BlobsWritten, BlobsReused: s.stats.BlobsReused,
		ScaleSearch: s.stats.Gains, Values: append([]string{}, s.stats.Findings...), Seconds: time.Since(start).Seconds(),
	}
}

// writeStage carries the plan out. What an earlier run has finished is not written again, nor what the parts
// of a split import have.
func writeStage(ctx context.Context, store *manifest.Store, src Source, p plan.Plan, o ImportOptions, split *parts) (staged, error) {
	if err := needsTokenizer(p, o.Checks.Level); err != nil {
		return staged{}, err
	}
	for _, warning := range p.Warnings {
		notef(o.Watch, "warning: %s", warning)
	}
	stage, index, err := openStage(ctx, store, p, split, o.Watch)
	if err != nil {
		return staged{}, err
	}
	s := staged{Stage: stage}
	if s.manifest, s.stats, err = writeBlobs(ctx, stage, index, src, p, o); err != nil {
		return s, errors.Join(err, stage.Keep())
	}
	noteValues(o.Watch, s.stats)
	return s, nil
}

// noteValues warns of values that should not be as they are.
func noteValues(w Watcher, s write.Stats) {
	for _, finding := range s.Findings {
		notef(w, "warning: %s", finding)
	}
}

// needsTokenizer refuses a model that could not be verified.
func needsTokenizer(p plan.Plan, level report.Level) error {
	if level != verifyNone && !slices.Contains(p.Files, files.Tokenizer) {
		return fmt.Errorf("%s: there is no tokenizer.json, without which no model can be verified: fetch it too, or import with --verify none", p.Origin)
	}
	return nil
}

// openStage opens the staging folder of a plan, and the index of what the store has already, and checks
// that the store can take what is in neither. While another import of the same source and plan is
// running, it waits, and then finds what that one has made.
func openStage(ctx context.Context, store *manifest.Store, p plan.Plan, split *parts, w Watcher) (*manifest.Stage, *write.Index, error) {
	space, err := store.Preflight(0)
	if err != nil {
		return nil, nil, err
	}
	if space.Advice != "" {
		notef(w, "note: %s", space.Advice)
	}
	fingerprint, err := write.Fingerprint(p)
	if err != nil {
		return nil, nil, err
	}
	stage, err := store.AwaitStage(ctx, fingerprint, func() {
		notef(w, "another qimport is importing the very same into %s; waiting for it", store.Root())
	})
	if err != nil {
		return nil, nil, err
	}
	if split != nil {
		if err := split.adopt(ctx, stage); err != nil {
			return nil, nil, errors.Join(err, stage.Keep())
		}
	}
	index, err := write.OpenIndex(store)
	if err == nil {
		err = checkSpace(store, p, index, stage)
	}
	if err != nil {
		return nil, nil, errors.Join(err, stage.Keep())
	}
	return stage, index, nil
}

// checkSpace asks for the room that what is not there yet will take.
func checkSpace(store *manifest.Store, p plan.Plan, index *write.Index, stage *manifest.Stage) error {
	done := func(blob string) bool { _, ok := stage.Done(blob); return ok }
	bytes, err := write.Remaining(p, index, done, stage.Reusable)
	if err == nil {
		_, err = store.Preflight(bytes)
	}
	return err
}

func writeBlobs(ctx context.Context, stage *manifest.Stage, index *write.Index, src Source, p plan.Plan, o ImportOptions) (manifest.Manifest, write.Stats, error) {
	progress := begin(o.Watch, "import")
	defer progress.End()
	m, stats, err := write.Blobs(ctx, p, src.Source, stage, write.Options{Jobs: o.Jobs, Index: index, Progress: encoding(progress)})
	if err != nil {
		return m, stats, err
	}
	return m, stats, index.Save()
}
