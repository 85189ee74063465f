package verify

import (
	"fmt"
	"strings"
)

// Ablate names one ablation: which value of the gated delta rule is kept in bfloat16.
type Ablate string

// The ablations there are.
const (
	AblateState Ablate = "state=bf16"
	AblateDecay Ablate = "decay=bf16"
)

// ParseAblate reads an ablation as a user writes it.
func ParseAblate(s string) (Ablate, error) {
	switch a := Ablate(strings.ToLower(s)); a {
	case AblateState, AblateDecay:
		return a, nil
	}
	return "", fmt.Errorf("no ablation %q; known are %s and %s", s, AblateState, AblateDecay)
}
