package qimport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"qimport/convert/write"
	"qimport/internal/killtest"
	"qimport/manifest"
	"qimport/quant"
	"qimport/verify/report"
)

func part(number, of int) ImportOptions {
	o := unverified(dense, quant.FormatNVFP4)
	o.Part = Part{number, of}
	return o
}

// unsplit is the same import in one.
func unsplit(t *testing.T) ImportResult {
	t.Helper()
	r, err := Import(t.Context(), openStore(t, t.TempDir()), unverified(dense, quant.FormatNVFP4))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestParsePart(t *testing.T) {
	if p, err := ParsePart("2/8"); err != nil || p != (Part{2, 8}) {
		t.Errorf("%v, %v", p, err)
	}
	for _, s := range []string{"0/2", "3/2", "1", "1/", "/", "a/b", "1/2/3", "1/99999", "-1/2"} {
		if _, err := ParsePart(s); !errors.Is(err, ErrOptions) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// TestParts writes a model in three parts: the last call makes of them what one import does, and no blob is
// written twice. gc and check leave the others alone meanwhile.
func TestParts(t *testing.T) {
	store, want := openStore(t, t.TempDir()), unsplit(t)
	var blobs int
	var bytes, least, most int64
	for i, number := range []int{2, 1, 3} {
		r, err := Import(t.Context(), store, part(number, 3))
		if err != nil {
			t.Fatal(err)
		}
		if last := i == 2; r.Published != last || len(r.Part.Missing) != 2-i || last != (r.Manifest == want.Manifest) {
			t.Errorf("part %d: published %v, missing %v, manifest %s", number, r.Published, r.Part.Missing, r.Manifest)
		}
		blobs, bytes = blobs+r.BlobsWritten, bytes+r.BytesWritten
		if i < 2 {
			if least, most = min(least, r.BytesRead), max(most, r.BytesRead); i == 0 {
				least = r.BytesRead
			}
			gc, err := store.GC(t.Context(), manifest.GCOptions{})
			if err != nil || len(gc.Removed) > 0 {
				t.Errorf("gc removed %v, %v", gc.Removed, err)
			}
		}
		if found, err := store.Check(t.Context(), nil); err != nil || found.Err() != nil {
			t.Errorf("%v, %v", err, found.Err())
		}
	}
	if blobs != want.BlobsWritten || bytes != want.BytesWritten {
		t.Errorf("in parts %d blobs and %d bytes were written, in one %d and %d", blobs, bytes, want.BlobsWritten, want.BytesWritten)
	}
	if most > least+least/4 {
		t.Errorf("one part read %d bytes, another %d", least, most)
	}
	r, err := Import(t.Context(), store, part(1, 3)) // once more: nothing is left to write
	if err != nil || !r.Published || r.Manifest != want.Manifest || r.BytesRead > 0 {
		t.Errorf("again: %v, published %v, %d bytes read", err, r.Published, r.BytesRead)
	}
	noStaging(t, store)
}

// noStaging demands that nothing waits to be gone on with.
func noStaging(t *testing.T, store *manifest.Store) {
	t.Helper()
	gc, err := store.GC(t.Context(), manifest.GCOptions{Interrupted: true, DryRun: true})
	if err != nil || len(gc.Removed)+len(gc.Kept) > 0 {
		t.Errorf("there is left %v %v, %v", gc.Removed, gc.Kept, err)
	}
}

// TestPartsAtOnce runs all parts at the same time: one of them, or several, put all together.
func TestPartsAtOnce(t *testing.T) {
	store, want := openStore(t, t.TempDir()), unsplit(t)
	var g errgroup.Group
	results := make([]ImportResult, 4)
	for i := range results {
		g.Go(func() (err error) {
			results[i], err = Import(t.Context(), store, part(i+1, 4))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(results, func(r ImportResult) bool { return r.Published && r.Manifest == want.Manifest }) {
		t.Errorf("nobody published: %+v", results)
	}
	noStaging(t, store)
}

// TestPartsMissedOnTheirWay: a part that was missing a moment ago, and that others have since written and put
// together with the rest, is not written again.
func TestPartsMissedOnTheirWay(t *testing.T) {
	store := openStore(t, t.TempDir())
	o := part(2, 2)
	src, err := openWhole(t.Context(), o.Source, "", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	p, err := makePlan(t.Context(), src, o.Plan, partsOf(o.Lay))
	if err != nil {
		t.Fatal(err)
	}
	s, err := writeParts(t.Context(), store, src, shared(p), o)
	if err != nil || !slices.Equal(s.result.Missing, []int{1}) {
		t.Fatalf("%v, %+v", err, s)
	}
	if r, err := Import(t.Context(), store, part(1, 2)); err != nil || !r.Published {
		t.Fatalf("%v, %+v", err, r)
	}
	stage, err := store.Stage(s.stageOf(1)) // begun again, by who took it for stopped
	if err == nil {
		err = stage.Keep()
	}
	if err != nil {
		t.Fatal(err)
	}
	had := s.stats.BytesWritten
	if err := s.finish(t.Context(), []int{1}); err != nil || len(s.result.Taken) > 0 || s.stats.BytesWritten != had {
		t.Errorf("%v, taken %v, %d bytes written again", err, s.result.Taken, s.stats.BytesWritten-had)
	}
	noStaging(t, store)
}

// TestPartsKilled kills parts at moments of chance. What they have finished is not written again: a part that
// has stopped is finished by the last one.
func TestPartsKilled(t *testing.T) {
	root := t.TempDir()
	store, want := openStore(t, root), unsplit(t)
	chance := rand.New(rand.NewPCG(3, 5))
	kills := 9
	if testing.Short() {
		kills = 3
	}
	killed := 0
	span := killtest.Span(t, child(t.TempDir(), childPart+"=1/3"))
	for i, moment := range killtest.Moments(span, kills, chance) {
		if killtest.Kill(t, child(root, fmt.Sprintf("%s=%d/3", childPart, i%2+1)), moment) { // the third never runs
			killed++
		}
	}
	if killed == 0 {
		t.Error("no part was killed on its way")
	}
	done := 0 // blobs that are finished
	for number := 1; number <= 3; number++ {
		done += len(store.Staged(stageOfPart(t, store, number, 3)))
	}
	var last ImportResult
	written := 0
	for _, number := range []int{3, 1, 2} {
		r, err := Import(t.Context(), store, part(number, 3))
		if err != nil {
			t.Fatal(err)
		}
		last, written = r, written+r.BlobsWritten
		if r.Published {
			break
		}
	}
	if !last.Published || last.Manifest != want.Manifest {
		t.Errorf("published %v, %s, want %s", last.Published, last.Manifest, want.Manifest)
	}
	if written != want.BlobsWritten-done {
		t.Errorf("%d blobs were written after %d were finished, of %d", written, done, want.BlobsWritten)
	}
	if found, err := store.Check(t.Context(), nil); err != nil || found.Err() != nil {
		t.Errorf("%v, %v", err, found.Err())
	}
	noStaging(t, store)
}

// stageOfPart is the fingerprint of a part's staging folder.
func stageOfPart(t *testing.T, store *manifest.Store, number, of int) string {
	t.Helper()
	o := part(number, of)
	src, err := openWhole(t.Context(), o.Source, "", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	over, err := composed(store, mustName(t, "m"), o.Lay, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := makePlan(t.Context(), src, o.Plan, over.parts)
	if err != nil {
		t.Fatal(err)
	}
	s := &parts{store: store, plan: shared(p), result: PartResult{Of: of}}
	if s.fingerprint, err = write.Fingerprint(s.plan); err != nil {
		t.Fatal(err)
	}
	return s.stageOf(number)
}

// TestPartTaken: a part that has begun, and that no process is at, is finished by another.
func TestPartTaken(t *testing.T) {
	store, want := openStore(t, t.TempDir()), unsplit(t)
	stage, err := store.Stage(stageOfPart(t, store, 2, 2))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Import(t.Context(), store, part(1, 2)) // the other is at it still
	if err != nil || r.Published || !slices.Equal(r.Part.Missing, []int{2}) || len(r.Part.Taken) > 0 {
		t.Fatalf("%v, %+v", err, r.Part)
	}
	if err := stage.Keep(); err != nil {
		t.Fatal(err)
	}
	r, err = Import(t.Context(), store, part(1, 2))
	if err != nil || !r.Published || r.Manifest != want.Manifest || !slices.Equal(r.Part.Taken, []int{2}) {
		t.Errorf("%v, %s, %+v", err, r.Manifest, r.Part)
	}
	noStaging(t, store)
}

// TestPartsRefused: what a verification says no to waits put together, and any part goes on from there.
func TestPartsRefused(t *testing.T) {
	store, want := openStore(t, t.TempDir()), unsplit(t)
	for number := 1; number <= 2; number++ {
		o := part(number, 2)
		o.Checks.Level = report.Quality
		o.Checks.Limits.MaxKL = new(float64) // no model is as near to its source as this, nor runs without MLX
		r, err := Import(t.Context(), store, o)
		if number == 1 && err != nil || number == 2 && (!errors.Is(err, ErrRefused) || r.Published) {
			t.Fatalf("part %d: %v, published %v", number, err, r.Published)
		}
	}
	r, err := Import(t.Context(), store, part(1, 2))
	if err != nil || !r.Published || r.Manifest != want.Manifest || r.BytesRead > 0 {
		t.Errorf("%v, published %v, %d bytes read", err, r.Published, r.BytesRead)
	}
	noStaging(t, store)
}
