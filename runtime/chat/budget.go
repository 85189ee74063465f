package chat

import (
	"context"
	"errors"
	"fmt"
)

// ErrBudget is wrapped when a template asks for more than any real one needs: it is longer or
// nested deeper, or its rendering takes more steps, memory or text.
var ErrBudget = errors.New("the chat template asks for too much")

// What a rendering may cost. Real templates take less than 200 steps a message, and write about as
// much as the messages hold: a conversation of 5,000 messages, or of four million tokens, fits.
const (
	maxSteps  = 1_000_000 // of the order of half a second
	maxDepth  = 1000      // of expressions, blocks and calls in each other: what Python lets Jinja have
	maxOutput = 16 << 20  // bytes of text: four million tokens
	maxMade   = 128 << 20 // bytes of all values made on the way, of which most are garbage soon
	maxNested = 200       // values within values, as lists in lists
)

// Costs that a step stands for.
const (
	bytesPerStep  = 64   // of text looked at or made
	stepsPerCheck = 4096 // between two looks at the context: under a millisecond
	itemBytes     = 32   // an item of a list or an object takes that much, whatever it is
)

// budget is what a rendering has left. Whatever happens in it is paid for first, by what it
// takes. One that is spent panics with an exhausted, so that nothing in a template, a filter such
// as default for one, can go on from there.
type budget struct {
	ctx                       context.Context
	steps, bytes, depth, rest int
}

// exhausted is the panic of a spent budget, or of one whose context has ended.
type exhausted struct{ err error }

func newBudget(ctx context.Context) budget {
	return budget{ctx: ctx, steps: maxSteps, bytes: maxMade}
}

// spend pays for n steps.
func (b *budget) spend(n int) {
	if n < 0 || n > b.steps {
		panic(exhausted{fmt.Errorf("%w: more than %d steps", ErrBudget, maxSteps)})
	}
	b.steps -= n
	if b.rest -= n; b.rest < 0 {
		b.rest = stepsPerCheck
		if err := b.ctx.Err(); err != nil {
			panic(exhausted{err})
		}
	}
}

// read pays for looking at n bytes.
func (b *budget) read(n int) { b.spend(n / bytesPerStep) }

// make pays for a value of n bytes, before it is made.
func (b *budget) make(n int) {
	if n < 0 || n > b.bytes {
		panic(exhausted{fmt.Errorf("%w: values of more than %d bytes", ErrBudget, maxMade)})
	}
	b.bytes -= n
	b.read(n)
}

// times is a*b where that can be paid for, else more than can be.
func times(a, b int) int {
	if a < 0 || b < 0 || b > 0 && a > maxMade/b {
		return maxMade + 1
	}
	return a * b
}

// enter pays for a step and goes one deeper, until leave.
func (b *budget) enter() {
	b.spend(1)
	if b.depth++; b.depth > maxDepth {
		panic(exhausted{fmt.Errorf("%w: calls and blocks more than %d deep", ErrBudget, maxDepth)})
	}
}

func (b *budget) leave() { b.depth-- }

// nested refuses values within values without end: a template can put one into itself.
func nested(level int) {
	if level > maxNested {
		panic(exhausted{fmt.Errorf("%w: a value is nested deeper than %d", ErrBudget, maxNested)})
	}
}
