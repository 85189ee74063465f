package verify

import (
	"fmt"

	"qimport/verify/cost"
)

// Limits are what a quality verification holds the model to. Nil means the default of the
// coarsest format that the model was given.
type Limits struct {
	MaxKL          *float64 // mean KL divergence from the reference, nats
	MinTop1        *float64 // share of positions with the same likeliest token, 0 to 1
	MaxPPLIncrease *float64 // relative increase of perplexity: 0.05 is 5 %
}

// over puts what the user asks for in place of the defaults.
func (l Limits) over(b cost.Bounds) cost.Bounds {
	if l.MaxKL != nil {
		b.KL = *l.MaxKL
	}
	if l.MinTop1 != nil {
		b.Top1 = *l.MinTop1
	}
	if l.MaxPPLIncrease != nil {
		b.Perplexity = *l.MaxPPLIncrease
	}
	return b
}

// Validate refuses limits that nothing, or everything, would meet.
func (l Limits) Validate() error {
	if l.MaxKL != nil && !(*l.MaxKL >= 0) {
		return fmt.Errorf("a largest mean KL of %v: it is a number of nats, 0 or more", *l.MaxKL)
	}
	if l.MinTop1 != nil && !(*l.MinTop1 >= 0 && *l.MinTop1 <= 1) {
		return fmt.Errorf("a smallest top-1 agreement of %v: it is a share from 0 to 1", *l.MinTop1)
	}
	if l.MaxPPLIncrease != nil && !(*l.MaxPPLIncrease >= 0) {
		return fmt.Errorf("a largest perplexity increase of %v: it is relative, 0.05 being 5 %%", *l.MaxPPLIncrease)
	}
	return nil
}
