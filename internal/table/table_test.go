package table

import (
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
)

var checks = [][]string{
	{"ok", "smoke.load", "weights as they are stored, 4.1 MB of them where they lie"},
	{"FAIL", "名前", "no"},
}

var tensors = [][]string{
	{"tensor", "count", "bytes", "decided by"},
	{"language_model.model.layers.*.linear_attn.in_proj_qkv.weight", "6", "83 kB", "policy ollama: 8-bit for what hurts most"},
}

func TestWrite(t *testing.T) {
	for _, c := range []struct {
		name  string
		width int
		rows  [][]string
		want  string
	}{
		{"no limit", 0, checks, "ok    smoke.load  weights as they are stored, 4.1 MB of them where they lie\nFAIL  名前        no\n"},
		{"it fits", 80, checks, "ok    smoke.load  weights as they are stored, 4.1 MB of them where they lie\nFAIL  名前        no\n"},
		{"the last cell is broken", 50, checks, "ok    smoke.load  weights as they are stored, 4.1\n                  MB of them where they lie\nFAIL  名前        no\n"},
		{"the first cell is above", 60, tensors, "tensor\n  count  bytes  decided by\n" + tensors[1][0] + "\n  6      83 kB  policy ollama: 8-bit for what hurts most\n"},
		{"both", 50, tensors, "tensor\n  count  bytes  decided by\n" + tensors[1][0] + "\n  6      83 kB  policy ollama: 8-bit for what\n                hurts most\n"},
		{"nothing", 80, nil, ""},
		{"rows of one cell", 3, [][]string{{"abc def"}}, "abc def\n"},
	} {
		var b strings.Builder
		if err := Write(&b, c.width, c.rows); err != nil || b.String() != c.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", c.name, err, &b, c.want)
		}
	}
}

// TestWidths: whatever the window, nothing is lost, and only what is one word is wider than it.
func TestWidths(t *testing.T) {
	for width := 40; width < 140; width++ {
		for _, rows := range [][][]string{checks, tensors} {
			var b strings.Builder
			if err := Write(&b, width, rows); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(b.String()) {
				line = strings.TrimSpace(line)
				if runewidth.StringWidth(line) > width && strings.Contains(line, " ") {
					t.Errorf("width %d: %q", width, line)
				}
			}
			for _, r := range rows {
				for _, cell := range r {
					for _, word := range strings.Fields(cell) {
						if !strings.Contains(b.String(), word) {
							t.Errorf("width %d: %q is lost", width, word)
						}
					}
				}
			}
		}
	}
}
