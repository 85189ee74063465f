package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	goruntime "runtime"
	"strings"

	"github.com/dustin/go-humanize"

	"qimport/runtime"
	"qimport/runtime/chat"
	"qimport/verify/report"
)

// LeastNeedle is the shortest text that facts are hidden in, in tokens: shorter ones are all facts. The longest
// is what the model has positions for.
const LeastNeedle = 256

// leastFound is the share of facts that must be found where nobody says: a model that reads its own context
// finds all of them, and one that has lost what it read guesses one of ninety numbers.
const leastFound = 0.75

// needleTokens bounds an answer.
const needleTokens = 32

// hidden is a fact in the text: whose code is what.
type hidden struct {
	name string
	code int
}

func (h hidden) fact() string     { return fmt.Sprintf("The code of %s is %d.", h.name, h.code) }
func (h hidden) question() string { return fmt.Sprintf("What is the code of %s?", h.name) }

// hiddenFacts are the facts, from the beginning of the text to its end. Each is found among the others.
func hiddenFacts() []hidden {
	return []hidden{{"Ada", 41}, {"Leo", 17}, {"Mia", 93}, {"Sam", 28}, {"Finn", 65}, {"Kira", 74}, {"Otto", 39}, {"Nora", 86}}
}

// filler is the i-th sentence of the text around the facts. None is the same as another for 1,001 sentences,
// since the numbers of words have no common factor, and none has a name or a number in it.
func filler(i int) string {
	who := [...]string{"The ferry", "A fisherman", "The old clock", "Every gull", "The baker", "A grey cat", "The lighthouse"}
	does := [...]string{"waits", "turns slowly", "comes back", "stays", "rests", "is quiet", "looks out", "goes by", "begins again", "leans", "listens"}
	where := [...]string{"near the pier", "in the rain", "behind the wall", "over the water", "before the morning", "beside the road", "under the trees", "at the market", "along the shore", "after the storm", "by the window", "on the hill", "between the boats"}
	return who[i%len(who)] + " " + does[i%len(does)] + " " + where[i%len(where)] + "."
}

// needleText is a text of about so many tokens with facts at even distances, the first at its beginning and
// the last at its end, and after how many tokens each begins. count says how many tokens a piece has.
func needleText(facts []hidden, tokens int, count func(string) int) (text string, at []int) {
	var b strings.Builder
	length := 0
	say := func(sentence string) {
		if length > 0 {
			sentence = " " + sentence
		}
		b.WriteString(sentence)
		length += count(sentence)
	}
	around := tokens // of the text, facts left out
	for _, h := range facts {
		around -= count(" " + h.fact())
	}
	sentences, said := 0, 0 // of the filler, and its tokens
	for i, h := range facts {
		for ; said < around*i/max(len(facts)-1, 1); sentences++ {
			before := length
			say(filler(sentences))
			said += length - before
		}
		at = append(at, length)
		say(h.fact())
	}
	return b.String(), at
}

// checkNeedle hides facts in a long text and asks for each. The text is read once: the questions stand at its
// end, and each is answered from there.
func (r *run) checkNeedle(ctx context.Context) report.Check {
	if r.model == nil || r.language.Template == nil {
		return notRun("the model did not load, or has no chat template")
	}
	facts := hiddenFacts()
	if room := r.context() - needleTokens - 4*promptTokens; r.Needle > room {
		return notRun("a text of %d tokens with a question and an answer does not fit the model's %d positions: %d do", r.Needle, r.context(), room)
	}
	text, at := needleText(facts, r.Needle, func(s string) int { return len(r.language.Tokenizer.Encode(s)) })
	var requests []runtime.GenerateOptions
	for _, h := range facts {
		messages := []chat.Message{{Role: "user", Content: text + " " + h.question()}}
		requests = append(requests, greedily(messages, false, needleTokens))
	}
	found := report.Needle{Tokens: r.Needle, Facts: []report.Fact{}}
	for i, said := range r.model.GenerateShared(ctx, requests) {
		r.hear(said.Answer, false, said.Err)
		if said.Err != nil {
			return unanswered(facts[i].question(), said.Err)
		}
		depth := float64(i) / float64(len(facts)-1)
		found.Add(report.Fact{Depth: depth, Position: at[i], Fact: facts[i].fact(), Answer: said.Text, Found: facts[i].in(said.Text)})
	}
	r.report.Needle = &found
	least := leastFound
	if r.MinNeedle != nil {
		least = *r.MinNeedle
	}
	return atLeast(found.Accuracy, least, found.What()+"; the share of them")
}

// in says whether an answer names the code, and no other number.
func (h hidden) in(answer string) bool {
	numbers := strings.FieldsFunc(answer, func(c rune) bool { return c < '0' || c > '9' })
	found := false
	for _, n := range numbers {
		if n != fmt.Sprint(h.code) {
			return false
		}
		found = true
	}
	return found
}

// needleSeconds is what reading the text once and answering after it takes, on the two cores of the estimates.
func (z size) needleSeconds(tokens int) float64 {
	if tokens == 0 {
		return 0
	}
	questions := float64(len(hiddenFacts()))
	return z.seconds(tokens, 1) + questions*(z.seconds(promptTokens, 1)+answerSteps/2*z.seconds(1, 1))
}

// announceNeedle says beforehand what the check takes: caches, once as the text was read, and once as an answer
// goes on from there.
func (r *run) announceNeedle() {
	if r.Needle == 0 || r.Announce == nil {
		return
	}
	seconds := r.effort().size.needleSeconds(r.Needle) / speedup(r.model.Info(), goruntime.GOMAXPROCS(0))
	r.Announce(fmt.Sprintf("needle: a text of %d tokens is read once and asked for %d facts: about %s, and %s of memory",
		r.Needle, len(hiddenFacts()), duration(math.Max(seconds, 1)), humanize.Bytes(uint64(2*r.model.CacheBytes(1, r.Needle)))))
}

// ValidateNeedle refuses a text that facts cannot be hidden in, and a share that cannot be found.
func (o Options) ValidateNeedle() error {
	switch {
	case o.Needle != 0 && o.Needle < LeastNeedle:
		return fmt.Errorf("facts are hidden in %d tokens at least, not in %d", LeastNeedle, o.Needle)
	case o.Needle != 0 && !o.Level.Covers(report.Smoke):
		return fmt.Errorf("level %s does not run the model, which is to find facts in a text: ask for smoke or quality", o.Level)
	case o.MinNeedle == nil:
		return nil
	case !(*o.MinNeedle >= 0 && *o.MinNeedle <= 1):
		return fmt.Errorf("a least share of facts of %v: it is from 0 to 1", *o.MinNeedle)
	case o.Needle == 0:
		return errors.New("a least share of facts to be found, and no length of a text to hide them in")
	}
	return nil
}
