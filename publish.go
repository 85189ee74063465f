package qimport

import (
	"context"
	"errors"
	"fmt"

	"qimport/convert/plan"
	"qimport/manifest"
	"qimport/verify"
)

// ErrRefused marks a model that was verified and found wanting.
var ErrRefused = errors.New("the verification said no")

// judgeStage runs the model that lies in the stage, and writes the verdict's files, also those of a
// verdict that says no.
func judgeStage(ctx context.Context, src Source, p plan.Plan, s staged, o ImportOptions, reports pendingReports, result *ImportResult) error {
	if o.Checks.Level == verifyNone {
		return nil
	}
	if o.Attest != nil {
		notef(o.Watch, "the source's files are hashed, to be signed for")
	}
	provenance, err := provenanceOf(ctx, src, p, o.Plan, o.Attest != nil)
	if err != nil {
		return err
	}
	target := verify.Staged(result.Name.String(), s.manifest, s.Path)
	target.Against, target.Provenance = src.Source, provenance
	verdict, err := judge(ctx, target, o.Checks, o.Watch)
	if err != nil {
		return err
	}
	result.Verification = &verdict
	if err := reports.write(&verdict); err != nil {
		return err
	}
	if !verdict.Passed {
		if err := s.Doubt(s.manifest.Blobs()); err != nil {
			notef(o.Watch, "note: %v", err)
		}
		return fmt.Errorf("%w: %s was not moved; what was written waits for another try", ErrRefused, result.Name)
	}
	return nil
}

// publish moves the name, and keeps the verdict beside the manifest that it judges.
func publish(ctx context.Context, store *manifest.Store, s staged, result *ImportResult) error {
	digest, err := s.Publish(ctx, result.Name, s.manifest)
	if err != nil {
		return err
	}
	result.Published = true
	if result.Verification == nil {
		return nil
	}
	return keepVerdict(store, digest, result.Verification)
}
