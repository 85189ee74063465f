package verify

import (
	"context"
	"fmt"
	"math"

	"qimport/runtime"
	"qimport/verify/report"
	"qimport/verify/score"
)

// towerSteps are the checks of a model with a tower whatever it has learnt; what it says of pictures is
// judged by cases.
func (r *run) towerSteps() []step {
	if !r.tower {
		return nil
	}
	steps := []step{{"smoke.tower", r.checkTower}}
	if r.shows {
		steps = append(steps, step{"smoke.tower.prefill", r.checkTowerPrefill}, step{"smoke.tower.change", r.checkTowerChange})
	}
	return steps
}

// leastApart is by how much the features of two pictures that differ in a colour differ at least, over how
// large they are. What the small models' towers make, trained or random, differs by 0.1 and more.
const leastApart = 1e-3

// checkTower looks at two pictures that differ in a colour: the tower and the file that says how pictures
// are prepared belong to the model, and features are finite and not the same.
func (r *run) checkTower(ctx context.Context) report.Check {
	if r.model == nil {
		return notRun("the model did not load")
	}
	if err := r.checkTowerNorms(); err != nil {
		return fail("%s", sentences(err))
	}
	var features [2]runtime.Features
	for i, colour := range []string{"red", "blue"} {
		var err error
		if features[i], err = r.model.Look(ctx, oneCircle(colour).file, nil); err != nil {
			return fail("%s", sentences(err))
		}
	}
	apart, which := featuresApart(features[0], features[1])
	c := atLeast(apart, leastApart, fmt.Sprintf("relative difference of the features of two pictures, of %d values each%s", len(features[0].Merged), which))
	if !r.shows {
		c.Warning = "the chat template has no place for pictures: the tower runs, but nothing is asked of what it sees"
	}
	if math.IsNaN(apart) {
		c.Detail = "there are a NaN or an infinity, or nothing but zeros, among the features of a picture" + which
	}
	return c
}

// featuresApart is how far the features of two pictures differ: the merger's, or those of the merger of deepstack
// that differ least, which are then named.
func featuresApart(a, b runtime.Features) (least float64, which string) {
	least = relativeError(a.Merged, b.Merged)
	for i := range a.Deepstack {
		if e := relativeError(a.Deepstack[i], b.Deepstack[i]); !(e >= least) && !math.IsNaN(least) {
			least, which = e, fmt.Sprintf(", of %s", deepstackMerger(i))
		}
	}
	return least, which
}

func deepstackMerger(i int) string { return fmt.Sprintf("deepstack merger %d", i) }

// relativeError is how far values lie from others, over how large these are: the root of their squares'
// sums. NaN where something is not finite or there is nothing to compare with.
func relativeError(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.NaN()
	}
	apart, size := 0.0, 0.0
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		apart, size = apart+d*d, size+float64(w)*float64(w)
	}
	if e := math.Sqrt(apart / size); !math.IsInf(e, 0) {
		return e
	}
	return math.NaN()
}

// edgeSteps is how many single steps go into a picture from where it begins, and over where it ends.
const edgeSteps = 8

// checkTowerPrefill holds one prefill of a question about two pictures to single steps where these begin and
// end: positions of three dimensions, and features in the places of tokens.
func (r *run) checkTowerPrefill(ctx context.Context) report.Check {
	if r.model == nil || r.language.Template == nil {
		return notRun("the model did not load, or has no chat template")
	}
	c, err := r.acrossPictures(ctx, orderCase("red", "green").request())
	if err != nil {
		return notRun("%s", sentences(err))
	}
	return c.judge(fmt.Sprintf("one prefill of two pictures and %d single steps", len(c.apart)))
}

// acrossPictures compares one prefill of a request with single steps at the edges of its pictures.
func (r *run) acrossPictures(ctx context.Context, o runtime.GenerateOptions) (c compared, err error) {
	err = r.session(func(whole *runtime.Session) error {
		ids, err := whole.Show(ctx, o)
		if err != nil {
			return err
		}
		pieces, err := whole.Fork(ctx)
		if err != nil {
			return err
		}
		defer pieces.Close()
		logits := map[int][]float32{}
		for _, s := range edges(ids, r.model.Config.Tower.ImageToken) {
			if before := ids[pieces.Len():s.from]; len(before) > 0 {
				if _, err := pieces.Feed(ctx, before); err != nil {
					return err
				}
			}
			if err := r.single(ctx, pieces, ids[s.from:s.from+s.n], logits); err != nil {
				return err
			}
		}
		err = r.compareAt(ctx, whole, ids, logits, &c)
		c.precision, c.experts = whole.Precision(), r.model.Config.Experts > 0
		return err
	})
	return c, err
}

// edges are the runs of tokens near where those of pictures begin and end, and the last token.
func edges(ids []int, pad int) []segment {
	near := make([]bool, len(ids))
	near[len(ids)-1] = true
	for i := range ids {
		if before := i > 0 && ids[i-1] == pad; before == (ids[i] == pad) {
			continue
		}
		from := i // of a picture that begins
		if ids[i] != pad {
			from -= edgeSteps / 2
		}
		for at := max(from, 0); at < min(from+edgeSteps, len(ids)); at++ {
			near[at] = true
		}
	}
	var all []segment
	for i, is := range near {
		switch {
		case !is:
		case i > 0 && near[i-1]:
			all[len(all)-1].n++
		default:
			all = append(all, segment{i, 1})
		}
	}
	return all
}

// leastChange is by how many nats a token of an answer becomes likelier or less likely at least when a circle
// has another colour. In models that know colours that is 5 and more.
const leastChange = 0.1

// checkTowerChange lets the model read an answer to a picture under that picture, and under another: a tower
// that nobody listens to changes nothing.
func (r *run) checkTowerChange(ctx context.Context) report.Check {
	if r.model == nil || r.language.Template == nil {
		return notRun("the model did not load, or has no chat template")
	}
	const answer = "The circle is red."
	var rows [2][][]float32
	for i, colour := range []string{"red", "blue"} {
		var err error
		if rows[i], err = r.follow(ctx, colourCase(colour).request(), r.language.Tokenizer.Encode(answer)); err != nil {
			return notRun("%s", sentences(err))
		}
	}
	change := 0.0
	for i := range rows[0] {
		change = max(change, score.LargestDifference(rows[0][i], rows[1][i]))
	}
	return atLeast(change, leastChange, fmt.Sprintf("largest change of a log-probability, among the %d likeliest tokens within %q after %q, when the circle is blue",
		score.Likeliest, answer, colourCase("red").Prompt))
}

// follow is the logits after a request, and after each token of an answer to it.
func (r *run) follow(ctx context.Context, o runtime.GenerateOptions, answer []int) (rows [][]float32, err error) {
	err = r.session(func(x *runtime.Session) error {
		ids, err := x.Show(ctx, o)
		if err != nil {
			return err
		}
		var places []int
		for i := range len(answer) + 1 {
			places = append(places, len(ids)+i)
		}
		return x.FeedAt(ctx, append(ids, answer...), places, func(_ int, logits []float32) error {
			r.look(logits)
			rows = append(rows, logits)
			return nil
		})
	})
	return rows, err
}
