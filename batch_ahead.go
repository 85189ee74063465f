package qimport

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"qimport/convert/write"
	"qimport/manifest"
)

// variantsAhead is how many variants of a source are written in one pass: enough that the reads of each are
// few, and few enough that batches which share a store still share out what is made of one source.
const variantsAhead = 4

// smallCalibration bounds a calibration, in bytes, of which each variant of a pass may have one: those of means
// are small, those with second moments are not, and error feedback makes much of each matrix that it reads.
const smallCalibration = 32 << 20

// ahead writes what entries next to each other make of one source in one pass over its files, into their
// stages. Each import finds its blobs there, as after an interruption: whatever goes wrong here, it does what
// is left, and says what was wrong.
type ahead struct {
	store  *manifest.Store
	o      BatchOptions
	seen   map[manifest.Name]bool           // entries that were looked at
	claims map[manifest.Name]manifest.Claim // of entries whose imports are to come
	before map[manifest.Name]before
}

// before is what was written of an import before it began.
type before struct {
	stats   write.Stats
	seconds float64 // its share of the time
}

func newAhead(store *manifest.Store, o BatchOptions) *ahead {
	return &ahead{store: store, o: o, seen: map[manifest.Name]bool{}, claims: map[manifest.Name]manifest.Claim{}, before: map[manifest.Name]before{}}
}

// reach writes the first of the entries, and those after it that are made of the same source, unless it was
// looked at. A source that is not at hand is fetched by the first import of it; the rest are looked at then.
func (a *ahead) reach(ctx context.Context, entries []BatchEntry) {
	if a.seen[entries[0].Model] || wanted(ctx, entries[0]) == "" {
		return
	}
	if variants := a.together(ctx, entries); len(variants) > 1 {
		a.write(ctx, variants)
	}
}

// together are the entries that are written in one pass: of one source, with as many jobs, and in the memory
// of one import, so that of large calibrations there is one.
func (a *ahead) together(ctx context.Context, entries []BatchEntry) (variants []BatchEntry) {
	large := false
	for _, e := range entries {
		heavy := calibrationSize(e) > smallCalibration
		if placeOf(e) != placeOf(entries[0]) || e.Jobs != entries[0].Jobs || len(variants) == variantsAhead || large && heavy {
			break
		}
		a.seen[e.Model] = true
		if a.wants(ctx, e) {
			variants, large = append(variants, e), large || heavy
		}
	}
	return variants
}

// calibrationSize is how large the file is that an entry's errors are weighed by; 0 where there is none.
func calibrationSize(e BatchEntry) int64 {
	info, err := os.Stat(e.Plan.Calibration)
	if err != nil {
		return 0
	}
	return info.Size()
}

// wants says whether an entry is at hand, nobody works at it, and it is not known to be done.
func (a *ahead) wants(ctx context.Context, e BatchEntry) bool {
	want := wanted(ctx, e)
	return want != "" && !a.store.Claimed(e.Model) && !a.settled(e, want)
}

// settled says whether an entry is known to be done, without reading its blobs.
func (a *ahead) settled(e BatchEntry, want string) bool {
	there := func(m manifest.Manifest) bool {
		return !slices.ContainsFunc(m.Blobs(), func(l manifest.Layer) bool { return !a.store.Has(l) })
	}
	_, known := settled(a.store, e, readRecord(a.store, e.Model), want, there, nil)
	return known
}

// write writes the blobs of several variants, and keeps a claim on each until its import takes it over.
func (a *ahead) write(ctx context.Context, entries []BatchEntry) {
	start := time.Now()
	index, err := write.OpenIndex(a.store)
	if err != nil {
		return
	}
	var variants []write.Variant
	var names []manifest.Name
	bytes := int64(0)
	for _, e := range entries {
		v, done, err := a.open(ctx, e)
		if err != nil {
			continue // its import says so
		}
		defer done()
		staged := func(blob string) bool { _, ok := v.Stage.Done(blob); return ok }
		left, err := write.Remaining(v.Plan, index, staged, v.Stage.Reusable)
		if err == nil && left > 0 {
			variants, names, bytes = append(variants, v), append(names, e.Model), bytes+left
		}
	}
	if _, err := a.store.Preflight(bytes); err != nil || len(variants) < 2 {
		return // one by one, then
	}
	notef(a.o.Watch, "%d variants of %s are written in one pass over its files", len(variants), entries[0].Source)
	progress := begin(a.o.Watch, "import")
	defer progress.End()
	outcomes := write.Several(ctx, variants, write.Options{Jobs: entries[0].Jobs, Index: index, Progress: encoding(progress)})
	share := time.Since(start).Seconds() / float64(len(names))
	for i, name := range names {
		a.before[name] = before{outcomes[i].Stats, share}
	}
}

// errSettled marks an entry that another batch has done between our look at it and our claim.
var errSettled = errors.New("another batch has done it")

// open claims an entry, and opens what Import will: source, plan and stage, up to the first byte that is
// written. Whoever receives them ends them.
func (a *ahead) open(ctx context.Context, e BatchEntry) (v write.Variant, done func(), err error) {
	if err := e.check(); err != nil {
		return v, nil, err
	}
	reports, err := openReports(e.Reports) // nothing is written for an import whose verdict has no place
	if err != nil {
		return v, nil, err
	}
	reports.close()
	claim, err := a.store.Claim(ctx, e.Model)
	if err != nil {
		return v, nil, err
	}
	a.claims[e.Model] = claim
	want := wanted(ctx, e)
	if a.settled(e, want) {
		return v, nil, errSettled
	}
	if _, err := beginRecord(a.store, e, want, ImportResult{}); err != nil {
		return v, nil, err
	}
	src, err := openWhole(ctx, e.Source, e.Plan.MTPFrom, e.Plan.Adapters, a.o.Watch) // a commit that is new is fetched here
	if err != nil {
		return v, nil, err
	}
	if v, err = a.stage(ctx, src, e); err != nil {
		return v, nil, errors.Join(err, src.Close())
	}
	return v, func() { _ = errors.Join(v.Stage.Keep(), src.Close()) }, nil
}

// stage plans an entry, and opens its stage, unless another has it.
func (a *ahead) stage(ctx context.Context, src Source, e BatchEntry) (v write.Variant, err error) {
	p, err := makePlan(ctx, src, e.Plan, partsOf(e.Lay))
	if err != nil {
		return v, err
	}
	if _, err := e.For.judge(p); err != nil {
		return v, err
	}
	if err := needsTokenizer(p, e.Checks.Level); err != nil {
		return v, err
	}
	fingerprint, err := write.Fingerprint(p)
	if err != nil {
		return v, err
	}
	stage, err := a.store.Stage(fingerprint)
	return write.Variant{Plan: p, Source: src.Source, Stage: stage}, err
}

// claim claims an entry for its import, unless that was done when it was written ahead.
func (a *ahead) claim(ctx context.Context, e *BatchEntry) (manifest.Claim, error) {
	e.before = a.before[e.Model]
	delete(a.before, e.Model)
	if claim, ok := a.claims[e.Model]; ok {
		delete(a.claims, e.Model)
		return claim, nil
	}
	return a.store.Claim(ctx, e.Model)
}

// close gives up the claims on entries whose imports never came.
func (a *ahead) close() (err error) {
	for _, claim := range a.claims {
		err = errors.Join(err, claim.Close())
	}
	return err
}
