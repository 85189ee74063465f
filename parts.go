package qimport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"qimport/convert/plan"
	"qimport/convert/write"
	"qimport/manifest"
)

// maxParts is the most parts of an import: each has a staging folder.
const maxParts = 1024

// Part is what one of several machines, which share a store, does of an import. The zero value is all of it.
type Part struct{ Number, Of int }

// ParsePart reads "2/8"; "" is all of it.
func ParsePart(s string) (Part, error) {
	if s == "" {
		return Part{}, nil
	}
	number, of, _ := strings.Cut(s, "/")
	var p Part
	var errs [2]error
	p.Number, errs[0] = strconv.Atoi(number)
	p.Of, errs[1] = strconv.Atoi(of)
	if errors.Join(errs[:]...) != nil || p.Number < 1 || p.Of < p.Number || p.Of > maxParts {
		return Part{}, optionsf("--part %s: it is I/N, I from 1 to N and N at most %d", s, maxParts)
	}
	return p, nil
}

// PartResult is what a part of an import did, as scripts read it.
type PartResult struct {
	Number  int   `json:"number"`
	Of      int   `json:"of"`
	Taken   []int `json:"taken"`   // parts that had stopped on their way, and were finished
	Missing []int `json:"missing"` // parts that are not finished yet; where there is none, all were put together
}

// parts is an import in parts: a staging folder for each, whose journals say what is finished, and one in
// which it is put together.
type parts struct {
	store *manifest.Store
	src   Source
	plan  plan.Plan
	o     ImportOptions

	fingerprint string // of the whole
	result      PartResult
	stats       write.Stats // of what was written here
}

// shared is a plan whose files are told apart as every machine sees them.
func shared(p plan.Plan) plan.Plan {
	p.Shards = slices.Clone(p.Shards)
	for i := range p.Shards {
		p.Shards[i].Shared = true
	}
	return p
}

// writeParts writes the blobs of a part, and of parts that have stopped. Where none is missing then, the
// import is for the caller to put together. The plan is a shared one.
func writeParts(ctx context.Context, store *manifest.Store, src Source, p plan.Plan, o ImportOptions) (*parts, error) {
	s := &parts{store: store, src: src, plan: p, o: o, result: PartResult{Number: o.Part.Number, Of: o.Part.Of, Taken: []int{}, Missing: []int{}}}
	var err error
	if s.fingerprint, err = write.Fingerprint(p); err != nil {
		return s, err
	}
	if err := s.look(); err != nil || len(s.result.Missing) == 0 {
		return s, err
	}
	stage, err := store.AwaitStage(ctx, s.stageOf(o.Part.Number), func() {
		notef(o.Watch, "another qimport is at part %d of %d; waiting for it", o.Part.Number, o.Part.Of)
	})
	if err != nil {
		return s, err
	}
	if err := s.write(ctx, o.Part.Number, stage); err != nil {
		return s, err
	}
	if err := s.take(ctx); err != nil {
		return s, err
	}
	return s, s.look()
}

// stageOf is the fingerprint of a part's staging folder.
func (s *parts) stageOf(number int) string {
	return fmt.Sprintf("%s-%dof%d", s.fingerprint, number, s.result.Of)
}

// look finds out which parts are missing: those of which a blob is neither in a journal nor, as the index
// says, in the store. Who puts the parts together moves blobs from their stages to one, and from there into the
// store: they are looked for in that order, so that none is missed on its way.
func (s *parts) look() error {
	apart := map[int]map[string]manifest.Layer{}
	for number := 1; number <= s.result.Of; number++ {
		apart[number] = s.store.Staged(s.stageOf(number))
	}
	together := s.store.Staged(s.fingerprint)
	index, err := write.OpenIndex(s.store)
	if err != nil {
		return err
	}
	s.result.Missing = []int{}
	for number := 1; number <= s.result.Of; number++ {
		staged := apart[number]
		done := func(blob string) bool {
			_, here := staged[blob]
			_, there := together[blob]
			return here || there
		}
		share := write.Share(s.plan, number, s.result.Of)
		left, err := write.Remaining(share, index, done, s.store.Has)
		if err != nil {
			return err
		}
		if left > 0 {
			s.result.Missing = append(s.result.Missing, number)
		}
	}
	return nil
}

// write writes the blobs of a part into its stage, and ends that.
func (s *parts) write(ctx context.Context, number int, stage *manifest.Stage) (err error) {
	defer func() { err = errors.Join(err, stage.Keep()) }()
	index, err := write.OpenIndex(s.store)
	if err != nil {
		return err
	}
	share := write.Share(s.plan, number, s.result.Of)
	if err := checkSpace(s.store, share, index, stage); err != nil {
		return err
	}
	progress := begin(s.o.Watch, "import")
	defer progress.End()
	stats, err := write.Part(ctx, share, s.src.Source, stage, write.Options{Jobs: s.o.Jobs, Index: index, Progress: encoding(progress)})
	s.stats = s.stats.Plus(stats)
	return err
}

// take finishes the other parts that were begun, are not finished, and that no process is at. One that has not
// begun may be about to.
func (s *parts) take(ctx context.Context) error {
	if err := s.look(); err != nil {
		return err
	}
	return s.finish(ctx, s.result.Missing)
}

// finish is take for parts that were missing a moment ago.
func (s *parts) finish(ctx context.Context, missing []int) error {
	for _, number := range missing {
		if !s.store.Begun(s.stageOf(number)) {
			continue
		}
		stage, err := s.store.Stage(s.stageOf(number))
		if errors.Is(err, manifest.ErrLocked) {
			continue
		}
		if err != nil {
			return err
		}
		if err := s.look(); err != nil {
			return errors.Join(err, stage.Keep())
		}
		if !slices.Contains(s.result.Missing, number) { // its process was just ending, or another put all together
			end := stage.Keep
			if len(s.store.Staged(s.stageOf(number))) == 0 {
				end = stage.Discard
			}
			if err := end(); err != nil {
				return err
			}
			continue
		}
		notef(s.o.Watch, "part %d of %d has stopped on its way: it is finished here", number, s.result.Of)
		if err := s.write(ctx, number, stage); err != nil {
			return err
		}
		s.result.Taken = append(s.result.Taken, number)
	}
	return nil
}

// adopt gives all parts' blobs to the stage in which they are put together, and ends the parts.
func (s *parts) adopt(ctx context.Context, stage *manifest.Stage) error {
	var open []*manifest.Stage
	defer func() {
		for _, part := range open {
			_ = part.Keep()
		}
	}()
	for number := 1; number <= s.result.Of; number++ {
		if !s.store.Begun(s.stageOf(number)) {
			continue // its blobs are in the store, or here
		}
		part, err := s.store.AwaitStage(ctx, s.stageOf(number), func() {})
		if err != nil {
			return err
		}
		open = append(open, part)
		if err := stage.Adopt(ctx, part); err != nil {
			return err
		}
	}
	if err := stage.Flush(ctx); err != nil {
		return err
	}
	for _, part := range open {
		if err := stage.Succeed(part); err != nil {
			return err
		}
	}
	return nil
}

// unfinished is the result of a part that others have to follow.
func (s *parts) unfinished(name manifest.Name, start time.Time) ImportResult {
	r := staged{stats: s.stats}.result(name, start)
	r.Manifest, r.Part = manifest.Digest{}, &s.result
	return r
}

// count gives the result of the whole what was written here.
func (s *parts) count(r *ImportResult) {
	r.Part = &s.result
	r.add(s.stats)
}
