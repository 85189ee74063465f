package runtime

import (
	"context"
	"slices"
	"time"
)

// Conversation answers requests that begin as earlier ones did, without reading the shared part
// again. A delta state cannot be turned back, so it keeps the sessions of two points from which
// the next request may go on: the end of the last prompt, before the answer was opened (templates
// render past answers differently from the way they were made), and the end of the last answer.
// It is for one goroutine at a time.
type Conversation struct {
	model *Model
	past  []*Session
	seen  album // the pictures of the last request
}

// NewConversation starts one.
func (m *Model) NewConversation() *Conversation { return &Conversation{model: m} }

// Close frees what is kept.
func (c *Conversation) Close() { c.keep() }

// keep replaces the sessions that are kept.
func (c *Conversation) keep(sessions ...*Session) {
	for _, x := range c.past {
		if !slices.Contains(sessions, x) {
			x.Close()
		}
	}
	c.past = sessions
}

// Generate answers one request; see Model.Generate.
func (c *Conversation) Generate(ctx context.Context, o GenerateOptions, emit func(piece string)) (Answer, error) {
	g := c.model.newGeneration(o, emit)
	if err := c.model.checkDraft(o); err != nil {
		return Answer{}, err
	}
	p, err := c.model.prompt(ctx, o, c.seen)
	if err == nil {
		err = o.Sampling.check()
	}
	if err != nil {
		return Answer{}, err
	}
	g.answer.Prompt = p.ids
	limit, err := c.model.room(p.ids, o.MaxTokens)
	if err != nil {
		return g.answer, err
	}
	logits, err := c.prefill(ctx, g, p)
	if err == nil {
		err = g.decode(ctx, logits, limit)
	}
	if err != nil {
		g.answer.Stop = StopInterrupted
	}
	if g.session != nil {
		g.answer.Precision = g.session.Precision()
	}
	return g.answer, err
}

// look runs the tower over the pictures that the last request did not have.
func (c *Conversation) look(ctx context.Context, pictures []placed) error {
	all := album{}
	for _, p := range pictures {
		if err := c.model.see(ctx, p.seen); err != nil {
			return err
		}
		all[p.digest] = p.seen
	}
	c.seen = all
	return nil
}

// prefill reads the prompt into a session for the answer, from the kept session that has most of
// it, and keeps one at its first shared tokens.
func (c *Conversation) prefill(ctx context.Context, g *generation, p prompt) ([]float32, error) {
	begin := time.Now()
	defer func() { g.answer.Prefill.Seconds = time.Since(begin).Seconds() }()
	if err := c.look(ctx, p.pictures); err != nil {
		return nil, err
	}
	ids, shared := p.ids, p.shared
	x, err := c.resume(ctx, p)
	if err != nil {
		return nil, err
	}
	x.pictures = p.pictures
	if g.draft > 0 {
		x.startDrafts()
	}
	g.answer.Prefill.Tokens = len(ids) - x.Len()
	if shared > x.Len() && shared < len(ids) {
		if _, err := x.Feed(ctx, ids[x.Len():shared]); err != nil {
			x.Close()
			return nil, err
		}
	}
	boundary, err := x.Fork(ctx)
	if err != nil {
		x.Close()
		return nil, err
	}
	g.session = x
	c.keep(boundary, x)
	return x.Feed(ctx, ids[x.Len():])
}

// resume is a session that has read a beginning of the prompt, but not all: a fork of the longest one kept
// for which that is true, or a new one.
func (c *Conversation) resume(ctx context.Context, p prompt) (*Session, error) {
	var best *Session
	for _, x := range c.past {
		n := x.Len()
		if n < len(p.ids) && x.failed == nil && slices.Equal(x.tokens, p.ids[:n]) && samePictures(x.pictures, p.pictures, n) && (best == nil || n > best.Len()) {
			best = x
		}
	}
	if best == nil {
		return c.model.NewSession(), nil
	}
	return best.Fork(ctx)
}
