package runtime

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// MostDrafts bounds GenerateOptions.Draft: a head trained for one token ahead seldom guesses so many.
const MostDrafts = 16

// plainSteps is how many tokens of an answer are made without drafts, to tell what drafts gain.
const plainSteps = 4

// Drafts is what came of the tokens that the multi-token-prediction head expected.
type Drafts struct {
	Drafted  int    `json:"drafted"`  // tokens that the head expected
	Accepted int    `json:"accepted"` // of those, the ones that the text model chose too
	Steps    int    `json:"steps"`    // of the text model, each over a token and the drafts after it
	With     Timing `json:"with"`     // of these steps, the head's included; of a GPU's, but for the first
	Plain    Timing `json:"plain"`    // of single steps without, for comparison
}

// Speedup is how many times as fast tokens came with drafts as without; 0 where one of the two was not timed.
func (d Drafts) Speedup() float64 {
	if d.With.Tokens == 0 || d.Plain.Tokens == 0 || d.With.Seconds <= 0 || d.Plain.Seconds <= 0 {
		return 0
	}
	return float64(d.With.Tokens) / d.With.Seconds * d.Plain.Seconds / float64(d.Plain.Tokens)
}

// checkDraft refuses what cannot be drafted for.
func (m *Model) checkDraft(o GenerateOptions) error {
	switch {
	case o.Draft == 0:
		return nil
	case o.Draft < 0 || o.Draft > MostDrafts:
		return fmt.Errorf("%d drafts: there are 1 to %d", o.Draft, MostDrafts)
	case m.head.predictor == nil:
		return errors.New("drafts need the multi-token-prediction head, which is not loaded")
	}
	return nil
}

// advance reads the token chosen last and chooses what follows; ended if nothing does. Tokens between are
// taken into the answer. Some single steps come first, by whose time drafts are judged.
func (g *generation) advance(ctx context.Context, id, limit int) (next choice, err error) {
	d, x := g.answer.Drafts, g.session
	n := 0
	if d != nil && d.Plain.Tokens >= plainSteps {
		n = min(g.draft, limit-len(g.answer.Tokens)-1, g.model.Config.MaxPositions-x.Len()-1)
	}
	begin := time.Now()
	if n <= 0 {
		followed := x.followTime()
		next.id, err = g.follow(ctx, id)
		if g.cold.single {
			g.cold.single = false
		} else if d != nil && d.Plain.Tokens < plainSteps {
			d.Plain.Tokens++
			d.Plain.Seconds += (time.Since(begin) - (x.followTime() - followed)).Seconds()
		}
		return next, err
	}
	stood, next, err := x.stepDrafted(ctx, id, n, func(logits []float32, draft int) (choice, error) {
		id, err := g.choose(logits)
		if err != nil || id != draft {
			return choice{id: id}, err
		}
		d.Accepted++
		return choice{id, g.take(id, limit)}, nil
	})
	d.Steps++
	d.Drafted += n
	if g.cold.drafted {
		g.cold.drafted = false
		return next, err
	}
	d.With.Tokens += stood + 1
	d.With.Seconds += time.Since(begin).Seconds()
	return next, err
}
