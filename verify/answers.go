package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize/english"

	"qimport/runtime"
	"qimport/runtime/chat"
	"qimport/verify/report"
)

// spoken is one answer of the model, as tokens.
type spoken struct {
	report.Answer
	ids      []int // without the stop token
	thinking bool
	bounded  bool // whoever asked gave a bound of his own
}

// cases are those of the options, or the default ones, with pictures for a model that can be shown any.
func (r *run) cases() []Case {
	switch {
	case r.Cases != nil:
		return r.Cases
	case r.tower && r.shows:
		return append(DefaultCases(), seeingCases()...)
	}
	return DefaultCases()
}

// request is the first turn of a case, in a conversation of its own: no answer leans on what was said before it.
func (c Case) request() runtime.GenerateOptions { return c.asking(c.turns()[0], c.opening()) }

// greedily asks for an answer of the likeliest tokens.
func greedily(messages []chat.Message, think bool, most int) runtime.GenerateOptions {
	return runtime.GenerateOptions{Messages: messages, Chat: chat.Options{EnableThinking: &think}, MaxTokens: most}
}

// checkAnswer judges the answer in turn t of case k.
func (r *run) checkAnswer(ctx context.Context, k, t int) report.Check {
	if r.model == nil || r.language.Template == nil {
		return notRun("the model did not load, or has no chat template")
	}
	c, said := r.cases()[k], r.talks(ctx)[k].replies[t]
	if said.lacks != "" {
		return notRun("%s: %s", said.what(), said.lacks)
	}
	a := r.hear(said.Answer, c.Think || said.opened, said.Err)
	if said.Err != nil {
		return unanswered(said.what(), said.Err)
	}
	a.Prompt, a.Results, a.Expect, a.bounded = said.Prompt, said.results(), said.Expect, said.Tokens > 0
	if len(c.Then) > 0 {
		a.Case, a.Turn = k+1, t+1
	}
	a.Pictures = r.shown(said.Turn)
	if a.Thought, a.Calls = said.heard.Thought, reported(said.heard.Calls); a.Thought != "" || len(a.Calls) > 0 {
		a.Content = said.heard.Content
	}
	r.spoken = append(r.spoken, a)
	r.report.Answers = append(r.report.Answers, a.Answer)
	if isNoise(said.Chances) {
		return noise(said.what(), said.Chances)
	}
	return said.judge(said.heard, said.malformed)
}

// hear notes what an answer, or a part of one, says of the model.
func (r *run) hear(answer runtime.Answer, think bool, err error) spoken {
	r.seen = r.seen.with(answer.Precision)
	r.rows += answer.Decode.Tokens // each chosen from one row, which was found finite
	if errors.Is(err, runtime.ErrNotFinite) {
		r.rows++
		r.broken++
	}
	return spoken{
		Answer: report.Answer{Text: answer.Text, Tokens: len(answer.Tokens), Stop: string(answer.Stop)},
		ids:    answer.Tokens, thinking: think,
	}
}

// unanswered is the outcome of a check whose question could not be answered.
func unanswered(what string, err error) report.Check {
	if errors.Is(err, runtime.ErrNotFinite) {
		return fail("%s: %s", what, sentences(err))
	}
	return notRun("%s: %s", what, sentences(err))
}

// checkStopped asks that an answer comes to its own end. One that its case cut short does not count.
func (r *run) checkStopped(context.Context) report.Check {
	var endless, ended []string
	for _, a := range r.spoken {
		switch {
		case a.Stop == string(runtime.StopEOS):
			ended = append(ended, a.Prompt)
		case a.Stop == string(runtime.StopHopeless):
			endless = append(endless, fmt.Sprintf("%q was given up after %d tokens, %s: %q", clip(a.Prompt), a.Tokens, lostTo(a.ids), clip(a.Text)))
		case !a.bounded:
			endless = append(endless, fmt.Sprintf("%q ran on for %d tokens: %q", clip(a.Prompt), a.Tokens, clip(a.Text)))
		}
	}
	switch {
	case len(endless) > 0:
		return fail("%s", first(endless, "; "))
	case len(ended) == 0:
		return notRun("no answer was long enough to end by itself")
	}
	return pass("%d of %d answers ended with a stop token", len(ended), len(r.spoken))
}

// checkRepetition looks for answers that say the same again and again.
func (r *run) checkRepetition(context.Context) report.Check {
	if len(r.spoken) == 0 {
		return notRun("the model was not asked anything")
	}
	for _, a := range r.spoken {
		if c := judgeLoop(a.ids, fmt.Sprintf("answer to %q", clip(a.Prompt))); c.Passed == report.Failed {
			return c
		}
	}
	return pass("%s, none in a loop", english.Plural(len(r.spoken), "answer", ""))
}

// judgeLoop fails on exact loops, and on text of which hardly anything is new.
func judgeLoop(ids []int, what string) report.Check {
	if l, ok := findLoop(ids); ok {
		return fail("the %s loops from token %d: the same %d tokens %d times", what, l.at, l.period, l.repeats)
	}
	const window, least = 128, 0.25
	for at := window; at <= len(ids); at += window / 2 {
		if v := variety(ids[:at], window); v < least {
			return fail("the %s repeats itself before token %d: %.0f%% of its runs of four tokens are new", what, at, 100*v)
		}
	}
	return pass("no loop in %d tokens", len(ids))
}

// checkControl looks for tokens of the prompt's markup in the answers. A model that says them was given
// another template than it was trained on, or lost what tells them from text.
func (r *run) checkControl(context.Context) report.Check {
	if len(r.spoken) == 0 {
		return notRun("the model was not asked anything")
	}
	for _, a := range r.spoken {
		if found := leaks(a.ids, r.language.Control(a.thinking)); len(found) > 0 {
			return fail("the answer to %q holds %s", clip(a.Prompt), first(found, " "))
		}
	}
	return pass("%s, no control tokens in %s", english.Plural(len(r.spoken), "answer", ""), english.PluralWord(len(r.spoken), "it", "them"))
}

// topics are what a long generation is about, turn by turn and from the start again: what one can
// be long about, in several kinds of text.
func topics() []string {
	return []string{
		"Tell me a story about a lighthouse.",
		"What happened next?",
		"Explain how bread is made, step by step.",
		"Write a Go function that adds up a list of numbers.",
		"Count from 1 to 30.",
		"Tell me another story.",
	}
}

// checkGeneration lets one conversation go on for as many tokens as were asked for, so that the
// state has time to drift, and looks at each turn for loops and control tokens.
func (r *run) checkGeneration(ctx context.Context) report.Check {
	if r.model == nil || r.language.Template == nil {
		return notRun("the model did not load, or has no chat template")
	}
	talk := r.model.NewConversation()
	defer talk.Close()
	var messages []chat.Message
	total, turns, since := 0, 0, 0
	for total < r.Tokens {
		if since > r.context()/2 { // start over before the context is full
			messages, since = nil, 0
		}
		messages = append(messages, chat.Message{Role: "user", Content: topics()[turns%len(topics())]})
		what := fmt.Sprintf("turn %d of a long conversation", turns+1)
		answer, err := talk.Generate(ctx, greedily(messages, false, r.Tokens-total), nil)
		a := r.hear(answer, false, err)
		if err != nil {
			return unanswered(what, err)
		}
		if c := r.judgeTurn(a.ids, what); c.Passed == report.Failed {
			return c
		}
		messages = append(messages, chat.Message{Role: "assistant", Content: a.Text})
		total, turns, since = total+max(a.Tokens, 1), turns+1, since+a.Tokens
	}
	return pass("%d tokens in %d turns, none in a loop", total, turns)
}

// judgeTurn looks at one turn for loops and for control tokens.
func (r *run) judgeTurn(ids []int, what string) report.Check {
	if c := judgeLoop(ids, what); c.Passed == report.Failed {
		return c
	}
	if found := leaks(ids, r.language.Control(false)); len(found) > 0 {
		return fail("%s holds %s", what, first(found, " "))
	}
	return report.Check{}
}
