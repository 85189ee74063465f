package verify

import (
	"path/filepath"
	"testing"

	"qimport/verify/report"
)

// TestLimitsOfOllama counts the answers that change where pictures are resized within the limits that Ollama's
// runner has of its own, in place of those that the small models were trained with: docs/ollama.md has the numbers.
func TestLimitsOfOllama(t *testing.T) {
	folder := fixtures(t)
	needMLX(t)
	for model, want := range map[string]int{seeing: 1, seeingMixture: 2} {
		c := copyCheckpoint(t, filepath.Join(folder, model))
		o := Options{Level: report.Smoke, Lengths: []int{1}, Cases: seeingCases()}
		own := judge(t, Directory("own", c.dir), o)
		c.editJSON("preprocessor_config.json", func(v map[string]any) {
			v["size"] = map[string]any{"shortest_edge": 1 << 16, "longest_edge": 1 << 24}
		})
		ollamas := judge(t, Directory("ollama's", c.dir), o)
		changed := 0
		for i, a := range own.Answers {
			if other := ollamas.Answers[i].Text; a.Text != other {
				changed++
				t.Logf("%s: %q: %q, with Ollama's limits %q", model, a.Prompt, a.Text, other)
			}
		}
		if changed != want || len(own.Answers) != len(seeingCases()) {
			t.Errorf("%s: %d of %d answers change, want %d", model, changed, len(own.Answers), want)
		}
	}
}
