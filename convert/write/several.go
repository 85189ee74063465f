package write

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"qimport/convert/encode"
	"qimport/convert/plan"
	"qimport/manifest"
)

// Variant is one of several models that are made from the same files.
type Variant struct {
	Plan   plan.Plan
	Source Weights // of its own: adapters and another's head are part of it
	Stage  *manifest.Stage
}

// Outcome is what became of a variant: what was written of it, or why it was given up.
type Outcome struct {
	Stats Stats
	Err   error
}

// Several writes the blobs of several variants into their stages in one pass: what all make of one tensor is
// made at the same time, so that the disk reads it once, however much larger than memory the source is. All
// share the cores and the memory that one import takes. A blob that two variants have in common is written
// by the first alone; the index leads the other to it once that is published. One variant's failure stops no
// other. Like Part's, the blobs make no manifest: Blobs, called for each variant, finds them in its stage.
func Several(ctx context.Context, variants []Variant, opts Options) []Outcome {
	outcomes := make([]Outcome, len(variants))
	s := several{ctx: ctx, variants: variants, outcomes: outcomes}
	tasks := s.begin(opts)
	if len(s.writers) == 0 {
		return outcomes
	}
	var g errgroup.Group
	g.SetLimit(s.atOnce)
	for _, t := range tasks {
		g.Go(func() error {
			s.write(t)
			return nil
		})
	}
	_ = g.Wait() // each variant has its own error
	s.end()
	return outcomes
}

// several is a pass over a source for several variants.
type several struct {
	ctx      context.Context
	variants []Variant
	outcomes []Outcome
	writers  map[int]*variantWriter // by variant: those that could be begun
	atOnce   int
}

// variantWriter writes one variant, until it fails.
type variantWriter struct {
	*writer
	ctx    context.Context
	cancel context.CancelCauseFunc
	stop   func() error // ends flushing
}

// task is one blob of one variant.
type task struct {
	variant int
	blob    plan.Blob
	key     blobKey
}

// begin opens a writer for each variant, and puts the blobs into the order in which they are written: the
// largest first, as Blobs has them, and beside each other what the variants call by one name.
func (s *several) begin(opts Options) (tasks []task) {
	s.writers = map[int]*variantWriter{}
	progress := jointProgress{report: opts.Progress, all: make([]encode.Progress, len(s.variants))}
	seen, largest := map[blobKey]bool{}, map[string]int64{}
	var first *writer
	for i, v := range s.variants {
		keys, err := blobKeys(v.Plan)
		if err != nil {
			s.outcomes[i].Err = err
			continue
		}
		opts.Progress = progress.of(i, v.Plan.Totals().BytesRead)
		w := newWriter(v.Plan, v.Source, v.Stage, opts)
		if first == nil {
			first, s.atOnce = w, w.engine.AtOnce()
		} else {
			w.engine = first.engine.Beside(v.Source, w.meter)
		}
		vw := &variantWriter{writer: w}
		vw.ctx, vw.cancel = context.WithCancelCause(s.ctx)
		vw.stop = w.flushNowAndThen(vw.ctx, func() { vw.cancel(errFlush) })
		s.writers[i] = vw
		for at, b := range v.Plan.Blobs {
			if seen[keys[at]] {
				w.passOver(b)
				continue
			}
			seen[keys[at]] = true
			tasks = append(tasks, task{i, b, keys[at]})
			largest[b.Name] = max(largest[b.Name], b.Bytes)
		}
	}
	slices.SortStableFunc(tasks, func(a, b task) int {
		return cmp.Or(cmp.Compare(largest[b.blob.Name], largest[a.blob.Name]), cmp.Compare(a.blob.Name, b.blob.Name), cmp.Compare(a.variant, b.variant))
	})
	return tasks
}

// errFlush stands for what flushNowAndThen will say.
var errFlush = errors.New("a flush failed")

// write writes one blob, unless its variant was given up.
func (s *several) write(t task) {
	w := s.writers[t.variant]
	if w.ctx.Err() != nil {
		return
	}
	if _, err := w.blob(w.ctx, t.blob, t.key); err != nil {
		w.cancel(err)
	}
}

// end brings what was written to the disk, and says how each variant did.
func (s *several) end() {
	for i, w := range s.writers {
		err := w.stop()
		if cause := context.Cause(w.ctx); err == nil && cause != nil {
			err = cause
		}
		if err == nil {
			w.meter.Flushing()
		}
		if flushed := w.stage.Flush(s.ctx); err == nil {
			err = flushed
		}
		w.cancel(nil)
		s.outcomes[i] = Outcome{w.done(s.variants[i].Plan), err}
	}
}

// jointProgress puts the progress of several meters together.
type jointProgress struct {
	report func(encode.Progress)

	mu  sync.Mutex // guards what follows, and report
	all []encode.Progress
}

// of is for the meter of variant i, which has so many bytes to read.
func (j *jointProgress) of(i int, total int64) func(encode.Progress) {
	if j.report == nil {
		return nil
	}
	j.all[i].Total = total
	return func(p encode.Progress) {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.all[i] = p
		sum := encode.Progress{Blob: p.Blob, Flushing: true}
		for _, one := range j.all {
			sum.Done, sum.Total, sum.Reused = sum.Done+one.Done, sum.Total+one.Total, sum.Reused+one.Reused
			sum.Flushing = sum.Flushing && one.Flushing
		}
		j.report(sum)
	}
}
