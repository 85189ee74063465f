package qimport

import (
	"context"
	"errors"
	"fmt"

	"qimport/manifest"
)

// BatchOptions say how to go through many imports.
type BatchOptions struct {
	StopAtFailure bool
	Push          PushOptions // of what an entry says is to be pushed
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

// Batch carries out imports one after the other. One whose name already points at what it would
// write is not repeated, so that after an interruption the same batch goes on. The error joins those
// of all imports; it is ErrRefused only if none failed otherwise.
func Batch(ctx context.Context, store *manifest.Store, imports []BatchEntry, o BatchOptions) error {
	counts := map[Status]int{}
	var failures []error
	for i, one := range imports {
		notef(o.Watch, "%d of %d: %s of %s", i+1, len(imports), one.Name, one.Source)
		line, err := batchImport(ctx, store, one, o)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("line %d, %s: %w", one.Line, one.Name, err))
		}
		counts[line.Status]++
		if o.Each != nil {
			if err := o.Each(line); err != nil {
				return err
			}
		}
		if err != nil && o.StopAtFailure {
			break
		}
	}
	notef(o.Watch, "%d imports: %d done, %d unchanged, %d refused, %d failed, %d left out", len(imports), counts[Done],
		counts[Unchanged], counts[Refused], counts[Failed], len(imports)-counts[Done]-counts[Unchanged]-len(failures))
	return batchError(counts[Failed], failures)
}

// batchImport imports one entry, and pushes it.
func batchImport(ctx context.Context, store *manifest.Store, e BatchEntry, o BatchOptions) (BatchLine, error) {
	e.KeepUnchanged, e.Watch = true, o.Watch
	result, err := Import(ctx, store, e.ImportOptions)
	line := BatchLine{ImportResult: result, Source: e.Source, Status: Done}
	line.Schema = 1
	if line.Name == (manifest.Name{}) {
		line.Name = e.Model // it failed before anything was known
	}
	if result.Unchanged {
		line.Status = Unchanged
	}
	if err == nil && e.Push != nil {
		line.Push, err = batchPush(ctx, store, e, o)
	}
	switch {
	case errors.Is(err, ErrRefused):
		line.Status = Refused
	case err != nil:
		line.Status = Failed
	}
	if err != nil {
		line.Error = err.Error()
	}
	return line, err
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
