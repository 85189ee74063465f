package verify

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/dustin/go-humanize/english"

	"qimport/arch"
	"qimport/convert/source"
	"qimport/runtime"
	"qimport/runtime/layer"
	"qimport/verify/cost"
	"qimport/verify/report"
	"qimport/verify/score"
)

// sight is what a model makes of pictures, kept until the reference is in memory in its place.
type sight struct {
	sketches [][]byte
	states   [][][]float32 // of each sketch: after every block, of deepstack's mergers and of the merger
	deep     int           // how many mergers deepstack has
	apart    []float64     // from the reference's, of the sketch with the largest
	failed   error         // what ended it

	asked     []followed
	own       *score.File
	positions [][]score.Position // of each that is asked
	otherIDs  string             // how the reference reads a prompt, if otherwise
}

// followed is a question about pictures and an answer to it, whose tokens are read under them.
type followed struct {
	request runtime.GenerateOptions
	ids     []int // of the prompt and the answer
	from    int   // the place of the last token of the last picture: what follows is compared
}

// What is compared, at most: more shows nothing new, and each position takes a row of the vocabulary on disk.
const (
	mostFollowed     = 16
	mostAnswerTokens = 32
)

// comparesSight says whether there are two towers to compare.
func (r *run) comparesSight() bool {
	return r.tower && r.Against != nil && r.Scores == "" && hasTower(r.Against.Inventory())
}

func hasTower(inv source.Inventory) bool {
	return slices.ContainsFunc(inv.Tensors, func(t source.Tensor) bool { return t.Role == arch.Vision })
}

// see runs the model over drawn pictures, and over the questions about pictures that it has answered.
func (r *run) see(ctx context.Context) *sight {
	v := &sight{}
	v.failed = r.seeAll(ctx, v)
	return v
}

func (r *run) seeAll(ctx context.Context, v *sight) error {
	for _, c := range []sketch{oneCircle("red"), cornersPicture()} {
		states, deep, err := statesOf(ctx, r.model, c.file)
		if err != nil {
			return err
		}
		v.deep = deep
		v.sketches, v.states = append(v.sketches, c.file), append(v.states, states)
	}
	if !r.shows {
		return nil
	}
	return r.followAll(ctx, v)
}

// statesOf are the states of a picture after every block of a model's tower, of deepstack's mergers, of which
// there are deep, and of the merger.
func statesOf(ctx context.Context, m *runtime.Model, file []byte) (all [][]float32, deep int, err error) {
	f, err := m.Look(ctx, file, func(_ int, states []float32) error {
		all = append(all, states)
		return nil
	})
	return append(append(all, f.Deepstack...), f.Merged), len(f.Deepstack), err
}

// followAll keeps what the model expects after the pictures of questions and within its answers.
func (r *run) followAll(ctx context.Context, v *sight) (err error) {
	var tails score.Texts
	cases, answers := r.pictureAnswers(ctx)
	for k, a := range answers[:min(len(answers), mostFollowed)] {
		last := slices.Index(reversed(a.Prompt), r.model.Config.Tower.ImageToken)
		if a.Err != nil || last < 0 {
			continue // smoke.answer says so
		}
		f := followed{request: cases[k].request(), from: len(a.Prompt) - 1 - last}
		f.ids = slices.Concat(a.Prompt, a.Tokens[:min(len(a.Tokens), mostAnswerTokens)])
		v.asked, tails = append(v.asked, f), append(tails, f.ids[f.from:])
	}
	if len(v.asked) == 0 {
		return nil
	}
	path, err := r.scratchFile("pictures.safetensors")
	if err != nil {
		return err
	}
	w, err := score.Create(path, tails, map[string]string{"model": r.Name})
	if err != nil {
		return err
	}
	defer w.Abort()
	for i, f := range v.asked {
		if _, err := f.follow(ctx, r.model, func(_ int, logits []float32) error { return w.Row(i, logits) }); err != nil {
			return err
		}
	}
	if err := w.Finish(); err != nil {
		return err
	}
	v.own, err = score.Open(path)
	return err
}

// pictureAnswers are the cases with pictures and what the model answered to them; of cases that have none, the
// built-in ones are asked in their place.
func (r *run) pictureAnswers(ctx context.Context) (cases []Case, answers []runtime.BatchAnswer) {
	for k, c := range r.cases() {
		if len(c.files) > 0 {
			first := r.talks(ctx)[k].replies[0]
			cases, answers = append(cases, c), append(answers, runtime.BatchAnswer{Answer: first.Answer, Err: first.Err})
		}
	}
	if len(cases) > 0 {
		return cases, answers
	}
	var requests []runtime.GenerateOptions
	for _, c := range seeingCases() {
		c.Tokens = mostAnswerTokens
		requests = append(requests, c.request())
	}
	return seeingCases(), r.model.GenerateBatch(ctx, requests)
}

// reversed is a list from its end.
func reversed(ids []int) []int {
	back := slices.Clone(ids)
	slices.Reverse(back)
	return back
}

// follow reads question and answer, and hands on the logits that say what comes after each token compared,
// i counting these. same is false, and nothing read, if the model reads the prompt as other tokens.
func (f followed) follow(ctx context.Context, m *runtime.Model, each func(i int, logits []float32) error) (same bool, err error) {
	x := m.NewSession()
	defer x.Close()
	ids, err := x.Show(ctx, f.request)
	if err != nil || len(ids) > len(f.ids) || !slices.Equal(ids, f.ids[:len(ids)]) {
		return false, err
	}
	var places []int
	for place := f.from + 1; place < len(f.ids); place++ {
		places = append(places, place)
	}
	return true, x.FeedAt(ctx, f.ids, places, func(place int, logits []float32) error { return each(place-f.from-1, logits) })
}

// compare runs the reference over the same.
func (v *sight) compare(ctx context.Context, reference *runtime.Model) {
	if v != nil && v.failed == nil {
		v.failed = v.compareAll(ctx, reference)
	}
}

func (v *sight) compareAll(ctx context.Context, reference *runtime.Model) error {
	for i, file := range v.sketches {
		theirs, deep, err := statesOf(ctx, reference, file)
		if err != nil {
			return fmt.Errorf("the source: %w", err)
		}
		if deep != v.deep {
			return fmt.Errorf("the tower has %d mergers of deepstack, the source's %d", v.deep, deep)
		}
		v.note(v.states[i], theirs)
	}
	for k, f := range v.asked {
		var positions []score.Position
		same, err := f.follow(ctx, reference, func(i int, logits []float32) error {
			ours, err := v.own.Row(v.own.Texts.Row(k, i))
			if err != nil {
				return err
			}
			if len(ours) != len(logits) {
				return fmt.Errorf("the source has %d tokens in its vocabulary, the model %d", len(logits), len(ours))
			}
			positions = append(positions, score.Compare(logits, ours, f.ids[f.from+i+1]))
			return nil
		})
		if err != nil {
			return err
		}
		if !same {
			v.otherIDs = clip(f.request.Messages[len(f.request.Messages)-1].Content)
			continue
		}
		v.positions = append(v.positions, positions)
	}
	return nil
}

// note keeps the larger error after each block.
func (v *sight) note(ours, theirs [][]float32) {
	for i := range max(len(ours), len(theirs)) {
		e := math.NaN() // towers of different depths
		if i < len(ours) && i < len(theirs) {
			e = relativeError(ours[i], theirs[i])
		}
		if i == len(v.apart) {
			v.apart = append(v.apart, e)
		}
		v.apart[i] = max(v.apart[i], e)
	}
}

// after names what the states of that place come after.
func (v *sight) after(i int) string {
	last := len(v.apart) - 1
	switch {
	case i == last:
		return "merger"
	case i >= last-v.deep:
		return deepstackMerger(i - (last - v.deep))
	}
	return fmt.Sprintf("block %d", i)
}

// missing says why nothing was compared, "" if something was.
func (v *sight) missing() string {
	switch {
	case v == nil:
		return "nothing was compared"
	case v.failed != nil:
		return sentences(v.failed)
	case len(v.apart) == 0:
		return "the reference was not run"
	}
	return ""
}

func (v *sight) close() {
	if v != nil && v.own != nil {
		_ = v.own.Close()
	}
}

// How far features may lie from the reference's where the tower has its numbers, by the dtype of activations:
// in another layout they are added up in another order.
const (
	sameFeaturesF32  = 1e-4
	sameFeaturesBF16 = 0.05
)

// featuresLimit is how far features may lie from the reference's: three times what the coarsest format that its
// tower has not may cost a tensor.
func (r *run) featuresLimit() float64 {
	limit := sameFeaturesF32
	if r.report.Environment.Dtypes["weights"] == layer.BF16.String() {
		limit = sameFeaturesBF16
	}
	for f := range cost.LossyTower(r.source, r.Against) {
		if b, err := cost.BoundsOf(f); err == nil {
			limit = max(limit, 3*math.Sqrt(b.Tensor))
		}
	}
	return limit
}

// checkFeatures compares what the towers make of pictures, block by block.
func (r *run) checkFeatures(context.Context) report.Check {
	v := r.sight
	if why := v.missing(); why != "" {
		return notRun("%s", why)
	}
	worst := 0
	for i, e := range v.apart {
		r.report.Tower = append(r.report.Tower, report.Features{After: v.after(i), Error: number(e)})
		if !(e <= v.apart[worst]) {
			worst = i
		}
	}
	if v.apart[worst] == 0 {
		return atMost(0, r.featuresLimit(), fmt.Sprintf("the features of %d pictures are the source's, after every part of the tower; relative difference", len(v.sketches)))
	}
	return atMost(v.apart[worst], r.featuresLimit(), fmt.Sprintf("largest relative difference of the features of %d pictures from the source's, after the tower's %s",
		len(v.sketches), v.after(worst)))
}

// checkPictures compares what is expected after pictures.
func (r *run) checkPictures(context.Context) report.Check {
	switch why := r.sight.missing(); {
	case why != "":
		return notRun("%s", why)
	case r.sight.otherIDs != "":
		return fail("the source reads the prompt %q with its pictures as other tokens", r.sight.otherIDs)
	case len(r.sight.positions) == 0:
		return notRun("no question about pictures was answered")
	}
	d := score.Summarize(r.sight.positions...)
	if d.NonFinite > 0 {
		return fail("%d of %d positions are not finite", d.NonFinite, d.Positions)
	}
	return atMost(d.MeanKL, r.picturesLimit(), fmt.Sprintf("mean KL divergence from the reference after pictures, over %s, ± %.1g nats; max %.3g",
		english.Plural(len(r.sight.positions), "question and its answer", "questions and their answers"), d.StdErr, d.MaxKL))
}

// picturesLimit is that of texts, and of the tower's formats where these are coarser.
func (r *run) picturesLimit() float64 {
	b := r.bounds()
	if r.Limits.MaxKL != nil {
		return b.KL
	}
	for f := range cost.LossyTower(r.source, r.Against) {
		if of, err := cost.BoundsOf(f); err == nil {
			b = b.Wider(of)
		}
	}
	return b.KL
}
