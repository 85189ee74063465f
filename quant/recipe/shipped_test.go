package recipe

import (
	"regexp"
	"strings"
	"testing"
)

// TestShippedMeasured: each shipped recipe says what it was measured to cost on the trained models, and by which
// command.
func TestShippedMeasured(t *testing.T) {
	for _, name := range ShippedNames() {
		shipped, _ := OpenShipped(name)
		comment, _, _ := strings.Cut(shipped.Text, "\npolicy:")
		if n := strings.Count(comment, "# Measured by `go run ./bench recipes -write`:"); n != 1 {
			t.Errorf("%s names the command that measured it %d times", name, n)
		}
		for _, model := range []string{"tiny-qwen3-hf", "tiny-qwen3.5-hf", "tiny-qwen3.5-moe-hf"} {
			line := regexp.MustCompile(`(?m)^#   ` + regexp.QuoteMeta(model) + `: 0\.[0-9]+, with --method gptq 0\.[0-9]+, in [0-9]+\.[0-9]{2} bits a weight$`)
			if !line.MatchString(comment) {
				t.Errorf("%s does not say what it costs %s", name, model)
			}
		}
	}
}
