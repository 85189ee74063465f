package verify

import (
	"strings"
	"testing"

	"qimport/verify/report"
)

// TestNeedleText: facts stand at even distances in a text of about the length that was asked for, whose other
// sentences are not the same soon.
func TestNeedleText(t *testing.T) {
	words := func(s string) int { return len(strings.Fields(s)) }
	facts := hiddenFacts()
	for _, tokens := range []int{256, 3000} {
		text, at := needleText(facts, tokens, words)
		if n := words(text); n < tokens || n > tokens+10 {
			t.Errorf("%d words, not %d", n, tokens)
		}
		all := strings.Fields(text)
		for i, h := range facts {
			if got := strings.Join(all[at[i]:at[i]+6], " "); got != h.fact() {
				t.Errorf("fact %d of %d words: %q stands at %d", i, tokens, got, at[i])
			}
			even := (tokens - 6) * i / (len(facts) - 1)
			if apart := at[i] - even; apart < -10 || apart > 10 {
				t.Errorf("fact %d of %d words stands at %d, not about %d", i, tokens, at[i], even)
			}
		}
	}
	seen := map[string]bool{}
	for i := range 1001 {
		if s := filler(i); seen[s] || strings.ContainsAny(s, "0123456789") {
			t.Errorf("sentence %d: %q", i, s)
		} else {
			seen[s] = true
		}
	}
}

func TestNeedleFound(t *testing.T) {
	for answer, want := range map[string]bool{"The code of Mia is 93.": true, "93": true, "It is 93, yes 93.": true, "It is 9.": false, "It is 193.": false, "93 or 41": false, "": false} {
		if got := (hidden{"Mia", 93}).in(answer); got != want {
			t.Errorf("%q: %v", answer, got)
		}
	}
}

func TestNeedleOptions(t *testing.T) {
	share, most := 0.5, 1.5
	for says, o := range map[string]Options{
		"256 tokens at least": {Level: report.Smoke, Needle: 255},
		"does not run":        {Level: report.Blobs, Needle: 256},
		"from 0 to 1":         {Level: report.Smoke, Needle: 256, MinNeedle: &most},
		"no length":           {Level: report.Smoke, MinNeedle: &share},
	} {
		if err := o.validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// TestNeedle: what the model finds decides, and each fact is in the report. The small model has learnt to find
// one among a few others, and not in a text.
func TestNeedle(t *testing.T) {
	needMLX(t)
	o := quick(report.Smoke)
	o.Lengths, o.Needle, o.MinNeedle = []int{1}, 300, new(0.0)
	var announced []string
	o.Announce = func(s string) { announced = append(announced, s) }
	r := judge(t, Directory("tiny", dense), o)
	if !r.Passed || r.Needle == nil || len(r.Needle.Facts) != 8 || r.Needle.Tokens != 300 || r.Effort.Needle != 300 {
		t.Errorf("failed %v; %+v", ended(r, report.Failed), r.Needle)
	}
	if len(announced) == 0 || !strings.Contains(announced[0], "300 tokens") || !strings.Contains(announced[0], "of memory") {
		t.Errorf("said beforehand: %q", announced)
	}
	o.MinNeedle = nil
	r = judge(t, Directory("tiny", dense), o)
	if c, _ := r.Check("smoke.needle"); c.Passed != report.Failed || *c.Limit != leastFound {
		t.Errorf("%+v", c)
	}
	o.Needle = 5000
	r = judge(t, Directory("tiny", dense), o)
	if c, _ := r.Check("smoke.needle"); c.Passed != report.NotRun || !strings.Contains(c.Detail, "4096 positions") {
		t.Errorf("%+v", c)
	}
	// With next to no text around them, some of the facts are found: by one session that goes on eight times.
	few := &run{Target: Directory("tiny", dense), Options: Options{Needle: 1}, report: newReport(Target{}, Options{})}
	defer few.close()
	few.checkTensors(t.Context())
	few.checkVocabulary(t.Context())
	few.checkTemplate(t.Context())
	if c := few.checkLoad(t.Context()); c.Passed != report.Passed {
		t.Fatalf("%+v", c)
	}
	if c := few.checkNeedle(t.Context()); c.Value == nil || *c.Value < 0.5 {
		t.Errorf("%+v: %+v", c, few.report.Needle)
	}
}
