package qimport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"qimport/manifest"
)

// BatchOptions say how to go through many imports.
type BatchOptions struct {
	StopAtFailure bool
	Push          PushOptions // of what an entry says is to be pushed
	Summaries     []string    // files for all of it together, each in the form that its ending says
	// Each is told how an import ended; an error of its own ends the batch. nil is no one.
	Each  func(BatchLine) error
	Watch Watcher // nil is no one
}

// BatchLine is one import's outcome: the result, or what went wrong.
type BatchLine struct {
	ImportResult
	Source string `json:"source"`
	Status Status `json:"status"`
	Error  string `json:"error,omitempty"`
	// Push is what was brought to a registry, null where nothing was.
	Push *PushResult `json:"push,omitempty"`
}

// Status is how an import of a batch ended, in a word.
type Status string

// The ends of an import. Unchanged: the name pointed at all of it already, with a verdict that holds.
const (
	Done      Status = "done"
	Unchanged Status = "unchanged"
	Refused   Status = "refused" // by the verification
	Failed    Status = "failed"
)

// Batch carries out imports one after the other, but writes the blobs of several variants of one source in one
// pass over its files. One whose name already points at what it would
// write is not repeated, so that after an interruption the same batch goes on. What another batch is
// working at, in this process's store and perhaps on another machine, is left for the end and then looked
// at again: it is done by then, or is taken over. The error joins those of all imports; it is ErrRefused
// only if none failed otherwise.
func Batch(ctx context.Context, store *manifest.Store, imports []BatchEntry, o BatchOptions) (BatchSummary, error) {
	start := time.Now()
	summary := BatchSummary{Schema: 1, Imports: []BatchLine{}, Left: len(imports)}
	if err := CheckSummaries(o.Summaries); err != nil {
		return summary, err
	}
	files, err := openReports(o.Summaries)
	if err != nil {
		return summary, err
	}
	defer files.close()
	failures, err := goThrough(ctx, store, imports, o, &summary)
	if err != nil {
		return summary, err
	}
	notef(o.Watch, "%s", summary)
	summary.Seconds = time.Since(start).Seconds()
	return summary, errors.Join(summary.write(files), batchError(summary.Failed, failures))
}

// goThrough carries out what nobody else is working at, until nothing is left.
func goThrough(ctx context.Context, store *manifest.Store, imports []BatchEntry, o BatchOptions, summary *BatchSummary) (failures []error, err error) {
	left, told := imports, map[manifest.Name]bool{}
	ahead := newAhead(store, o)
	defer func() { err = errors.Join(err, ahead.close()) }()
	for len(left) > 0 {
		var later []BatchEntry
		for i, e := range left {
			ahead.reach(ctx, left[i:])
			line, err := batchClaim(ctx, store, e, ahead, o, summary)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if errors.Is(err, errElsewhere) {
				if later = append(later, e); !told[e.Model] {
					told[e.Model] = true
					notef(o.Watch, "%s is being imported by another qimport (%s), and is looked at again later", e.Model, readRecord(store, e.Model).Host)
				}
				continue
			}
			if err != nil {
				failures = append(failures, fmt.Errorf("line %d, %s: %w", e.Line, e.Name, err))
			}
			summary.add(line)
			if o.Each != nil {
				if err := o.Each(line); err != nil {
					return nil, err
				}
			}
			if err != nil && o.StopAtFailure {
				return failures, nil
			}
		}
		left = later
	}
	return failures, nil
}

// errElsewhere marks an entry that another batch is working at.
var errElsewhere = errors.New("another batch is working at it")

// batchClaim does one entry, if no other batch is at it.
func batchClaim(ctx context.Context, store *manifest.Store, e BatchEntry, ahead *ahead, o BatchOptions, summary *BatchSummary) (BatchLine, error) {
	start := time.Now()
	claim, err := ahead.claim(ctx, &e)
	if errors.Is(err, manifest.ErrLocked) {
		return BatchLine{}, errElsewhere
	}
	if err != nil {
		return e.line(ImportResult{}, nil, err), err
	}
	notef(o.Watch, "%d of %d: %s of %s", len(summary.Imports)+1, len(summary.Imports)+summary.Left, e.Model, e.Source)
	result, pushed, err := batchImport(ctx, store, e, o)
	result.Seconds = time.Since(start).Seconds() + e.before.seconds
	return e.line(result, pushed, err), errors.Join(err, claim.Close())
}

// batchImport imports one entry and pushes it, and keeps a record of how that ended.
func batchImport(ctx context.Context, store *manifest.Store, e BatchEntry, o BatchOptions) (ImportResult, *PushResult, error) {
	want := wanted(ctx, e)
	old := readRecord(store, e.Model)
	result, known := settled(store, e, old, want, func(m manifest.Manifest) bool { return store.Whole(ctx, m) }, o.Watch)
	if known && e.Attest == nil && e.Push == nil {
		return result, nil, nil
	}
	record, err := beginRecord(store, e, want, result)
	if err != nil {
		return result, nil, err
	}
	if !known || e.Attest != nil {
		e.KeepUnchanged, e.Watch = true, o.Watch
		result, err = Import(ctx, store, e.ImportOptions)
	}
	var pushed *PushResult
	if err == nil && e.Push != nil {
		pushed, err = batchPush(ctx, store, e, o)
	}
	if ctx.Err() != nil {
		return result, pushed, ctx.Err()
	}
	if after := wanted(ctx, e); after != want { // the source was fetched meanwhile, or changed
		record.Want = wantedAfter(want, after)
	}
	return result, pushed, errors.Join(err, record.end(store, e.Model, e.line(result, pushed, err)))
}

// wantedAfter is what was imported, by what was wanted before it and after: a source that was not there
// before is the one that was fetched, and of one that changed meanwhile nobody knows.
func wantedAfter(before, after string) string {
	if before == "" {
		return after
	}
	return ""
}

// line is the outcome of an entry.
func (e BatchEntry) line(result ImportResult, pushed *PushResult, err error) BatchLine {
	line := BatchLine{ImportResult: result, Source: e.Source, Status: Done, Push: pushed}
	line.Schema, line.Name = 1, cmp.Or(result.Name, e.Model)
	switch {
	case errors.Is(err, ErrRefused):
		line.Status = Refused
	case err != nil:
		line.Status = Failed
	case result.Unchanged:
		line.Status = Unchanged
	}
	if err != nil {
		line.Error = err.Error()
	}
	return line
}

// batchPush brings what was imported to its registry.
func batchPush(ctx context.Context, store *manifest.Store, e BatchEntry, o BatchOptions) (*PushResult, error) {
	o.Push.Watch = o.Watch
	pushed, err := Push(ctx, store, e.Model, *e.Push, o.Push)
	if err != nil {
		return nil, fmt.Errorf("it was imported, but not pushed to %s: %w", e.Push, err)
	}
	return &pushed, nil
}

// batchError joins what went wrong. A failure weighs more than a verification that said no.
func batchError(failed int, failures []error) error {
	joined := errors.Join(failures...)
	if joined != nil && failed > 0 {
		return failedBatch{joined}
	}
	return joined
}

// failedBatch hides the kinds of the errors in it, so that it is no ErrRefused.
type failedBatch struct{ joined error }

func (f failedBatch) Error() string { return f.joined.Error() }
