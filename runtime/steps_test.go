package runtime

import (
	"context"
	"math"
)

// StepsApart is how far the last logits of a prompt, read as prompts are, lie from those of single steps.
func StepsApart(ctx context.Context, m *Model, o GenerateOptions) (float64, error) {
	p, err := m.prompt(ctx, o, nil)
	if err != nil {
		return 0, err
	}
	c := m.NewConversation()
	if err := c.look(ctx, p.pictures); err != nil {
		return 0, err
	}
	whole, single := m.NewSession(), m.NewSession()
	defer whole.Close()
	defer single.Close()
	whole.pictures, single.pictures = p.pictures, p.pictures
	want, err := whole.Feed(ctx, p.ids)
	var got []float32
	for _, id := range p.ids {
		if err == nil {
			got, err = single.Step(ctx, id)
		}
	}
	if err != nil {
		return 0, err
	}
	worst := 0.0
	for i := range want {
		worst = max(worst, math.Abs(float64(want[i])-float64(got[i])))
	}
	return worst, nil
}

// ChainsApart is how far the logits of single tokens, read by blocks that are few operations, lie from those
// of the operations one by one.
func ChainsApart(ctx context.Context, m *Model, ids []int) (worst float64, err error) {
	chained, single := m.NewSession(), m.NewSession()
	defer chained.Close()
	defer single.Close()
	for _, id := range ids {
		for i := range single.caches {
			single.caches[i].Trail = true // what is kept after every token takes the way of operations
		}
		want, err := single.Step(ctx, id)
		if err != nil {
			return 0, err
		}
		got, err := chained.Step(ctx, id)
		if err != nil {
			return 0, err
		}
		for i := range want {
			worst = max(worst, math.Abs(float64(want[i])-float64(got[i])))
		}
	}
	return worst, nil
}
