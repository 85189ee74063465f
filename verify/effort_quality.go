package verify

import (
	"cmp"
	"fmt"
	goruntime "runtime"

	"qimport/convert/source"
	"qimport/verify/language"
	"qimport/verify/report"
)

// compareBytes is how many bytes of tensors two cores decode and compare in a second.
const compareBytes = 1e9

// qualitySeconds is what the comparison with the source takes, on the two cores of the estimates: every
// tensor of both is decoded, and both read the texts.
func (r *run) qualitySeconds(tokens int) float64 {
	seconds := sizeOf(r.source.Inventory()).seconds(tokens, tokens)
	if r.Against == nil { // its scores are kept
		return seconds
	}
	theirs := r.Against.Inventory()
	seconds += sizeOf(theirs).seconds(tokens, tokens)
	return seconds + (tensorBytes(r.source.Inventory())+tensorBytes(theirs))/compareBytes
}

func tensorBytes(inv source.Inventory) (sum float64) {
	for _, t := range inv.Tensors {
		sum += float64(t.Bytes())
	}
	return sum
}

// textTokens is how many tokens are read of the texts, at most.
func (o Options) textTokens() int {
	return max(len(o.Texts), 1) * cmp.Or(o.TextTokens, language.DefaultTokens)
}

// announceQuality says beforehand what the comparison takes, where that is long.
func (r *run) announceQuality() {
	if !r.Level.Covers(report.Quality) || r.Announce == nil || r.Against == nil && r.Scores == "" {
		return
	}
	tokens := r.textTokens()
	seconds := r.qualitySeconds(tokens) / speedup(r.model.Info(), goruntime.GOMAXPROCS(0))
	if seconds < announceFromSeconds {
		return
	}
	what := "the scores that were kept"
	if r.Against != nil {
		what = "the source, tensor by tensor"
	}
	r.Announce(fmt.Sprintf("quality: about %s: compared with %s, and over up to %d tokens of text", duration(seconds), what, tokens))
}
