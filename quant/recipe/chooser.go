package recipe

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"qimport/quant"
)

// chooser finds the rule that decides a tensor, and remembers what became of each rule.
type chooser struct {
	rules    []Rule
	patterns []pattern
	uses     []use
}

// use is what became of a rule.
type use struct {
	matched  bool // some tensor's name
	decided  bool // some tensor, that is, no later rule took all of them
	answered bool // some tensor has its format, or was refused to it
	takenBy  int  // a later rule that decided a tensor this one matched
}

// verdict is the rule that decides a tensor, -1 for none, or why that cannot be said. The experts
// of a stack may each have a rule of their own, as long as these agree.
type verdict struct {
	rule  int
	rules []int // all that take part; the first is rule
	split string
}

func newChooser(rules []Rule) (*chooser, error) {
	c := &chooser{rules: rules, uses: make([]use, len(rules))}
	for _, r := range rules {
		p, err := parsePattern(r.Pattern)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrRecipe, r, err)
		}
		if err := r.Format.Validate(); err != nil || r.Format.Mode == quant.FP8 {
			return nil, fmt.Errorf("%w: %s: a rule cannot give %s; it gives %s", ErrRecipe, r, r.Format, quant.FormatList)
		}
		c.patterns = append(c.patterns, p)
	}
	return c, nil
}

// choose returns the last rule that matches the tensor, or every single expert of the stack.
func (c *chooser) choose(s Subject) verdict {
	if len(c.rules) == 0 {
		return verdict{rule: -1}
	}
	names := [][]string{spellings(s.Name)}
	winner := c.choosePart(names[0])
	if !s.Expert || len(s.Shape) != 3 {
		return c.settle(winner)
	}
	experts := c.chooseExperts(s, winner)
	for e, w := range experts {
		if w != experts[0] && c.formatOf(w) != c.formatOf(experts[0]) {
			v := c.settle(experts...)
			v.split = c.splitStack(e, w, experts)
			return v
		}
	}
	return c.settle(experts...)
}

// chooseExperts returns the winning rule of each expert of a stack, given the stack's own.
func (c *chooser) chooseExperts(s Subject, stack int) []int {
	winners := make([]int, s.Shape[0])
	for e := range winners {
		winners[e] = max(stack, c.choosePart(spellings(expertName(s.Name, e))))
	}
	return winners
}

// choosePart returns the last rule that matches one of the spellings, and marks all that do.
func (c *chooser) choosePart(names []string) int {
	winner := -1
	for i := len(c.rules) - 1; i >= 0; i-- {
		if !c.patterns[i].matchesAny(names) {
			continue
		}
		c.uses[i].matched = true
		if winner < 0 {
			winner = i
		} else {
			c.uses[i].takenBy = winner
		}
	}
	return winner
}

// settle marks the rules that decide a tensor.
func (c *chooser) settle(rules ...int) verdict {
	v := verdict{rule: rules[0]}
	for _, r := range rules {
		if r >= 0 && !slices.Contains(v.rules, r) {
			c.uses[r].decided = true
			v.rules = append(v.rules, r)
		}
	}
	return v
}

func (c *chooser) formatOf(rule int) string {
	if rule < 0 {
		return "the policy's"
	}
	return c.rules[rule].Format.String()
}

// splitStack words the refusal to give the experts of one stack different types.
func (c *chooser) splitStack(e, w int, experts []int) string {
	rule, inside := experts[0], 0
	if rule < 0 {
		rule, inside = w, e
	}
	count := 0
	for _, x := range experts {
		if x == rule {
			count++
		}
	}
	return fmt.Sprintf("%s takes %d of the %d experts (expert %d among them), which are stored as one stack of one type: give all of them the same",
		c.rules[rule], count, len(experts), inside)
}

// report adds the rules that have no effect.
func (c *chooser) report(found *findings, subjects []Subject) {
	for i, u := range c.uses {
		switch {
		case c.rules[i].Optional && !u.decided:
		case !u.matched:
			found.addLine(fmt.Sprintf("%s: the pattern matches no tensor; the nearest names are %s",
				c.rules[i], strings.Join(nearest(c.rules[i].Pattern, subjectNames(subjects)), ", ")))
		case !u.decided:
			found.addLine(fmt.Sprintf("%s: every tensor it matches is taken by a later rule, such as %s", c.rules[i], c.rules[u.takenBy]))
		case !u.answered:
			found.addLine(fmt.Sprintf("%s: it matches only tensors that are neither quantized nor rounded, and changes nothing", c.rules[i]))
		}
	}
}

func subjectNames(subjects []Subject) []string {
	out := make([]string, len(subjects))
	for i, s := range subjects {
		out[i] = s.Name
	}
	return out
}

// stackParts are the name parts behind which the number of a single expert would stand.
var stackParts = []string{".experts.", ".switch_mlp."}

// expertName is the name that one expert of a stack would have, so that patterns can name it:
// "L.mlp.experts.gate_proj.weight" is "L.mlp.experts.3.gate_proj.weight" for the fourth.
func expertName(stack string, e int) string {
	for _, part := range stackParts {
		if before, after, ok := strings.Cut(stack, part); ok {
			return before + part + strconv.Itoa(e) + "." + after
		}
	}
	return stack
}
