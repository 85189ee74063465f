package report

import "fmt"

// Needle is what was found again in a long text.
type Needle struct {
	Tokens   int     `json:"tokens"`   // of the text, about
	Accuracy float64 `json:"accuracy"` // share of the facts that were found
	Facts    []Fact  `json:"facts"`
}

// Fact is one that was hidden in the text, and what the model said when it was asked for.
type Fact struct {
	Depth    float64 `json:"depth"`    // 0 at the text's beginning, 1 at its end
	Position int     `json:"position"` // tokens of the text before it
	Fact     string  `json:"fact"`
	Answer   string  `json:"answer"`
	Found    bool    `json:"found"`
}

// Add files a fact.
func (n *Needle) Add(f Fact) {
	n.Facts = append(n.Facts, f)
	n.Accuracy = float64(n.found()) / float64(len(n.Facts))
}

func (n *Needle) found() (found int) {
	for _, f := range n.Facts {
		if f.Found {
			found++
		}
	}
	return found
}

// What says it in words: "in 4096 tokens, 7 of 8 facts are found".
func (n *Needle) What() string {
	return fmt.Sprintf("in %d tokens, %d of %d facts are found", n.Tokens, n.found(), len(n.Facts))
}

// lines are those of the report, one a depth.
func (n *Needle) lines() []string {
	lines := []string{"needle: " + n.What()}
	for _, f := range n.Facts {
		said := fmt.Sprintf("found  %q", f.Fact)
		if !f.Found {
			said = fmt.Sprintf("LOST   %q; answered %q", f.Fact, cut(f.Answer))
		}
		lines = append(lines, fmt.Sprintf("  depth %3.0f%%, token %6d: %s", 100*f.Depth, f.Position, said))
	}
	return lines
}

// cut is the beginning of a text.
func cut(s string) string {
	const most = 60
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}
