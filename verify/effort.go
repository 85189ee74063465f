package verify

import (
	"fmt"
	"math"
	"slices"

	"qimport/arch"
	"qimport/convert/source"
	"qimport/runtime"
	"qimport/runtime/mlx"
	"qimport/verify/report"
)

// How much of a model is run is decided before it is, from its sizes alone and never by the clock: the
// same model gets the same checks in every run, everywhere. The seconds here are those of two cores that
// read memory at nominalBytes a second and multiply at nominalFlops; what a run takes is told beside
// them.
const (
	nominalBytes = 10e9
	nominalFlops = 100e9

	graphSeconds        = 3e-3 // that running anything takes besides, however small the model
	stepSeconds         = 5    // that single steps may take, but for
	leastSteps          = 64   // which are always made
	mostSteps           = 600  // more show nothing new
	stepBytes           = 256 << 20
	longSeconds         = 10  // that the longest default prompt may take in a smoke verification
	longSecondsQuality  = 60  // and where a source is run besides
	promptTokens        = 32  // of a question, about
	answerSteps         = 40  // of an answer, about
	seeingSteps         = 16  // of one about pictures, about
	picturePatches      = 256 // of a drawn picture, about
	pictureTokens       = 64
	edgesSteps          = 40 // over the edges of two pictures, about
	announceFromSeconds = 10 // what takes less need not be announced
)

// size is what running a model costs.
type size struct {
	dense   float64 // bytes that every token touches, of weights as they are stored
	experts float64 // bytes of all experts of all layers
	share   float64 // of the experts that one token touches
	flops   float64 // of a token, without the head
	head    float64 // flops of a row of logits
	tower   float64 // flops of a patch
	vocab   int
}

// sizeOf adds up the text model's matrices.
func sizeOf(inv source.Inventory) size {
	c := inv.Config
	z := size{vocab: c.VocabSize}
	if c.Experts > 0 {
		z.share = float64(c.TopK) / float64(c.Experts)
	}
	own := slices.ContainsFunc(inv.Tensors, func(t source.Tensor) bool { return t.Role == arch.Head })
	for _, t := range inv.Tensors {
		elements := 1.0
		for _, n := range t.Shape {
			elements *= float64(n)
		}
		switch {
		case t.Role == arch.Vision:
			z.tower += 2 * elements
		case t.MTP:
		case t.Role == arch.Expert:
			z.experts += float64(t.Bytes())
			z.flops += 2 * elements * z.share
		case t.Role == arch.Head && c.Output != arch.HeadTied, t.Role == arch.Embedding && (c.Output == arch.HeadTied || !own):
			z.dense += float64(t.Bytes())
			z.head += 2 * elements
		case t.Role == arch.Linear, t.Role == arch.Router:
			z.dense += float64(t.Bytes())
			z.flops += 2 * elements
		}
	}
	return z
}

// touched is the bytes that n tokens touch together, at most: experts that several choose count once
// there are so many.
func (z size) touched(n int) float64 { return z.dense + z.experts*min(float64(n)*z.share, 1) }

// seconds is what n tokens take that are read at once, with the logits of some.
func (z size) seconds(n, rows int) float64 {
	return max(z.touched(n)/nominalBytes, (float64(n)*z.flops+float64(rows)*z.head)/nominalFlops)
}

// seen is what a prompt with that many pictures takes, drawn ones or others as large.
func (z size) seen(pictures int) float64 {
	return float64(pictures)*picturePatches*z.tower/nominalFlops + z.seconds(promptTokens+pictures*pictureTokens, 1)
}

// steps is how many tokens are read singly. The logits of all of them are held in memory.
func (z size) steps() int {
	fit := min(mostSteps, int(stepSeconds/max(z.seconds(1, 1), 1e-9)), stepBytes/(4*max(z.vocab, 1)))
	return max(fit, leastSteps)
}

// segment is a run of single steps, which follows a prefill of from tokens.
type segment struct{ from, n int }

// borderSteps is how many single steps follow a prefill that ends where something changes in kernels and
// caches: at the first ends of slices, and the last before the end.
const borderSteps = 16

// segmentsOf shares steps out over a text of that length: borderSteps from each of the borders, or as
// many as there are to the end, and the others from the beginning.
func segmentsOf(length, steps int) []segment {
	if steps >= length {
		return []segment{{0, length}}
	}
	last := (length - 1) / runtime.SliceTokens * runtime.SliceTokens
	var late []segment
	for _, at := range slices.Compact(slices.Sorted(slices.Values([]int{runtime.SliceTokens, 2 * runtime.SliceTokens, last}))) {
		if at > 0 && at < length {
			late = append(late, segment{at, min(borderSteps, length-at)})
			steps -= late[len(late)-1].n
		}
	}
	first := []segment{{0, max(steps, 1)}}
	for _, s := range late { // one that the first reaches begins where that ends
		end := s.from + s.n
		if s.from = max(s.from, first[0].n); s.from < end {
			first = append(first, segment{s.from, end - s.from})
		}
	}
	return joined(first)
}

// joined makes one segment of those that follow one another.
func joined(all []segment) []segment {
	out := all[:1]
	for _, s := range all[1:] {
		if last := &out[len(out)-1]; last.from+last.n == s.from {
			last.n += s.n
			continue
		}
		out = append(out, s)
	}
	return out
}

// effort is what the smoke checks will run.
type effort struct {
	lengths  []int  // of prefills, in order
	note     string // about lengths that were asked for and are not among them
	segments []segment
	cases    int   // turns that are asked without pictures, and
	pictured []int // how many pictures each of the others has
	tower    bool  // that can be shown some
	head     int   // tokens that the multi-token-prediction head is run over, about
	needle   int   // tokens of a text that facts are hidden in
	size     size
}

// effort plans the smoke checks. Without an open model it is that of the smallest.
func (r *run) effort() effort {
	e := effort{tower: r.tower && r.shows, needle: r.Needle}
	for _, c := range r.cases() {
		e.add(c)
	}
	context := 0
	if r.source != nil {
		inv := r.source.Inventory()
		e.size, context = sizeOf(inv), inv.Config.MaxPositions
	}
	asked := r.Lengths
	if asked == nil {
		asked = e.size.defaultLengths(r.Level)
	}
	e.lengths, e.note = prefillLengths(asked, context)
	if r.headed() {
		e.head = r.textTokens()
	}
	if len(e.lengths) > 0 {
		e.segments = segmentsOf(e.lengths[len(e.lengths)-1], e.size.steps())
	}
	return e
}

// add counts the turns of a case that are asked. One that has pictures, or comes after some, is answered alone.
func (e *effort) add(c Case) {
	pictures := 0
	for _, t := range c.turns() {
		pictures += len(t.Pictures)
		switch {
		case t.Said != nil:
		case pictures > 0:
			e.pictured = append(e.pictured, pictures)
		default:
			e.cases++
		}
	}
}

// defaultLengths are those of DefaultLengths without the longest where it would take too long.
func (z size) defaultLengths(level report.Level) []int {
	all, limit := DefaultLengths(), float64(longSeconds)
	if level == report.Quality {
		limit = longSecondsQuality
	}
	if last := len(all) - 1; z.seconds(all[last], 0) > limit {
		return all[:last]
	}
	return all
}

func (e effort) steps() (n int) {
	for _, s := range e.segments {
		n += s.n
	}
	return n
}

// report says it for the report, with the seconds that it should take on a device.
func (e effort) report(info mlx.Info, cores int) *report.Effort {
	f := &report.Effort{SingleSteps: e.steps(), Questions: e.cases + len(e.pictured), Needle: e.needle}
	seconds := float64(e.steps()) * (graphSeconds + e.size.seconds(1, 1))
	for _, n := range e.lengths {
		f.Prefilled += n
		seconds += e.size.seconds(n, min(n, e.steps()))
	}
	if e.head > 0 {
		f.Prefilled += e.head
		seconds += e.size.seconds(e.head, 2*e.head)
	}
	for asked := e.cases; asked > 0; asked -= runtime.BatchSequences {
		rows := min(asked, runtime.BatchSequences)
		seconds += e.size.seconds(rows*promptTokens, rows) + answerSteps*(graphSeconds+e.size.seconds(rows, rows))
	}
	for _, pictures := range e.pictured { // which are answered one by one
		seconds += e.size.seen(pictures) + seeingSteps*(graphSeconds+e.size.seconds(1, 1))
	}
	if e.tower {
		seconds += e.size.seen(2) + edgesSteps*e.size.seconds(1, 1) // smoke.tower.prefill
		seconds += 2 * e.size.seen(1)                               // smoke.tower.change
		seconds += 2 * picturePatches * e.size.tower / nominalFlops // smoke.tower
	}
	seconds += e.size.needleSeconds(e.needle)
	f.Expected = math.Ceil(seconds / speedup(info, cores))
	return f
}

// speedup is by how much a device is faster than the two cores of the estimates, roughly: memory
// bounds many cores, and a GPU takes its time to start.
func speedup(info mlx.Info, cores int) float64 {
	if info.Device == mlx.GPU {
		return 20
	}
	return min(float64(cores), 8) / 2
}

// announcement is the effort in words, "" where it is small.
func announcement(f *report.Effort) string {
	if f.Expected < announceFromSeconds {
		return ""
	}
	return fmt.Sprintf("smoke: about %s: %s", duration(f.Expected), f.What())
}

// duration is a time in words: "40 seconds", "3 minutes".
func duration(seconds float64) string {
	if seconds < 100 {
		return fmt.Sprintf("%.0f seconds", math.Ceil(seconds/10)*10)
	}
	return fmt.Sprintf("%.0f minutes", math.Ceil(seconds/60))
}
