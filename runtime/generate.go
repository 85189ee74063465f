package runtime

import (
	"context"
	"fmt"
	"slices"
	"time"

	"qimport/runtime/chat"
	"qimport/runtime/mlx"
	"qimport/runtime/tokenizer"
)

// GenerateOptions is one request. Of Messages, Prompt and Tokens one is given.
type GenerateOptions struct {
	Messages  []chat.Message // rendered with the model's chat template
	Chat      chat.Options   // for Messages; the generation prompt is always added
	Prompt    string         // text as it is
	Tokens    []int          // as they are
	MaxTokens int            // of the answer; 0 for as many as the context has room for
	Sampling  Sampling
	Stop      []string // texts that end the answer and are not part of it
	Draft     int      // tokens that the multi-token-prediction head guesses ahead, to be checked together; 0 for none
	// Hopeless, if not nil, is asked after each token of an answer that GenerateBatch makes without pictures;
	// true ends it there.
	Hopeless func(sofar Answer) bool
}

// StopReason says why an answer ended.
type StopReason string

// The reasons: a stop token, a stop string, no more tokens allowed, an error or interrupt, or Hopeless said so.
const (
	StopEOS         StopReason = "eos"
	StopText        StopReason = "stop"
	StopLength      StopReason = "length"
	StopInterrupted StopReason = "interrupted"
	StopHopeless    StopReason = "hopeless"
)

// Timing is how long a number of tokens took.
type Timing struct {
	Tokens  int     `json:"tokens"`
	Seconds float64 `json:"seconds"`
}

// Answer is what came of a request.
type Answer struct {
	Prompt    []int // its tokens
	Text      string
	Tokens    []int     // of the answer, without the stop token
	Chances   []float32 // natural logarithms of the probabilities they were chosen with, of GenerateBatch without pictures
	Stop      StopReason
	Prefill   Timing // tokens read that an earlier request had not; ends with the first logits
	Decode    Timing // tokens generated after that, the stop token included
	Precision Precision
	Drafts    *Drafts // nil where none were asked for
}

// Generate answers one request. emit, if not nil, is given the text as it comes, whole characters
// at a time. What was generated before an error or an interrupt is returned with it.
func (m *Model) Generate(ctx context.Context, o GenerateOptions, emit func(piece string)) (Answer, error) {
	c := m.NewConversation()
	defer c.Close()
	return c.Generate(ctx, o, emit)
}

// generation is one answer in the making.
type generation struct {
	model   *Model
	session *Session
	sampler *sampler
	stopper *stopper
	stream  *tokenizer.Stream
	emit    func(string)
	draft   int
	cold    struct{ single, drafted bool } // a first step, in which a GPU compiles: it is not timed for Drafts
	answer  Answer
}

func (m *Model) newGeneration(o GenerateOptions, emit func(string)) *generation {
	g := &generation{model: m, sampler: newSampler(o.Sampling), stopper: newStopper(o.Stop), stream: m.Tokenizer.NewStream(true), emit: emit}
	if g.draft = o.Draft; g.draft > 0 {
		g.answer.Drafts = &Drafts{}
		g.cold.single = m.Info().Device == mlx.GPU
		g.cold.drafted = g.cold.single
	}
	return g
}

// room is how many tokens an answer to a prompt may have: as asked, as far as the context goes.
func (m *Model) room(prompt []int, most int) (int, error) {
	limit := m.Config.MaxPositions - len(prompt)
	if limit <= 0 {
		return 0, fmt.Errorf("%w: the prompt has %d tokens; the model has %d positions and the answer needs some", ErrContext, len(prompt), m.Config.MaxPositions)
	}
	if most > 0 {
		limit = min(limit, most)
	}
	return limit, nil
}

// decode chooses tokens until one of them, the text or their number ends the answer. logits are
// those after the prompt; at most limit tokens are made.
func (g *generation) decode(ctx context.Context, logits []float32, limit int) (err error) {
	begin := time.Now()
	defer func() { g.answer.Decode.Seconds = time.Since(begin).Seconds() }()
	var next choice
	next.id, err = g.choose(logits)
	for err == nil && !next.ended && !g.take(next.id, limit) {
		next, err = g.advance(ctx, next.id, limit)
	}
	return err
}

// take makes a token part of the answer, unless it is one that ends it; true if nothing follows: the
// last of limit tokens need not be read.
func (g *generation) take(id, limit int) (ended bool) {
	g.answer.Decode.Tokens++
	if slices.Contains(g.model.Stop, id) {
		g.answer.Stop = StopEOS
		g.flush()
		return true
	}
	g.answer.Tokens = append(g.answer.Tokens, id)
	if g.show(g.stream.Push(id)) {
		g.answer.Stop = StopText
		return true
	}
	if len(g.answer.Tokens) == limit {
		g.answer.Stop = StopLength
		g.flush()
		return true
	}
	return false
}

// flush passes on what was held back.
func (g *generation) flush() {
	if !g.show(g.stream.Flush()) {
		g.out(g.stopper.flush())
	}
}

// follow reads a token and picks the one after it.
func (g *generation) follow(ctx context.Context, id int) (int, error) {
	if g.sampler.greedy() {
		return g.session.StepGreedy(ctx, id, g.model.Tokenizer.Size())
	}
	logits, err := g.session.Step(ctx, id)
	if err != nil {
		return 0, err
	}
	return g.choose(logits)
}

// choose picks the next token. Rows of the vocabulary that the tokenizer has no token for are
// padding, and are never chosen.
func (g *generation) choose(logits []float32) (int, error) {
	id, err := g.sampler.next(logits[:g.model.Tokenizer.Size()], g.session.tokens)
	if err != nil {
		return 0, fmt.Errorf("after %d tokens: %w", g.session.Len(), err)
	}
	return id, nil
}

// show passes text on as far as stop strings allow; true if one came.
func (g *generation) show(piece string) (stopped bool) {
	text, stopped := g.stopper.push(piece)
	g.out(text)
	return stopped
}

func (g *generation) out(text string) {
	g.answer.Text += text
	if text != "" && g.emit != nil {
		g.emit(text)
	}
}
