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
		ScaleSearch: s.stats.Gains, Seconds: time.Since(start).Seconds(),
	}
}

// endUnchanged gives up a stage that was not needed.
func (s staged) endUnchanged(err error) error {
	if err != nil {
		return err
	}
	return s.Discard()
}

// writeStage carries the plan out. What an earlier run has finished is not written again.
func writeStage(ctx context.Context, store *manifest.Store, src Source, p plan.Plan, o ImportOptions) (staged, error) {
	if o.Checks.Level != verifyNone && !slices.Contains(p.Files, files.Tokenizer) {
		return staged{}, fmt.Errorf("%s: there is no tokenizer.json, without which no model can be verified: fetch it too, or import with --verify none", p.Origin)
	}
	for _, warning := range p.Warnings {
		notef(o.Watch, "warning: %s", warning)
	}
	stage, err := openStage(store, p)
	if err != nil {
		return staged{}, err
	}
	s := staged{Stage: stage}
	if s.manifest, s.stats, err = writeBlobs(ctx, store, stage, src, p, o); err != nil {
		return s, errors.Join(err, stage.Keep())
	}
	return s, nil
}

// openStage opens the staging folder of a plan, and checks that the store can take what an earlier
// run has not written yet.
func openStage(store *manifest.Store, p plan.Plan) (*manifest.Stage, error) {
	if _, err := store.Preflight(0); err != nil {
		return nil, err
	}
	fingerprint, err := write.Fingerprint(p)
	if err != nil {
		return nil, err
	}
	stage, err := store.Stage(fingerprint)
	if err != nil {
		return nil, err
	}
	if _, err := store.Preflight(write.Remaining(p, stage)); err != nil {
		return nil, errors.Join(err, stage.Keep())
	}
	return stage, nil
}

func writeBlobs(ctx context.Context, store *manifest.Store, stage *manifest.Stage, src Source, p plan.Plan, o ImportOptions) (manifest.Manifest, write.Stats, error) {
	index, err := write.OpenIndex(store.IndexPath())
	if err != nil {
		return manifest.Manifest{}, write.Stats{}, err
	}
	progress := begin(o.Watch, "import")
	defer progress.End()
	m, stats, err := write.Blobs(ctx, p, src.Source, stage, write.Options{Jobs: o.Jobs, Index: index, Progress: encoding(progress)})
	if err != nil {
		return m, stats, err
	}
	return m, stats, index.Save()
}
