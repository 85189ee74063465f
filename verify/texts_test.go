package verify

import (
	"slices"
	"strings"
	"testing"

	"qimport/verify/report"
	"qimport/verify/score"
)

// twoTexts are of different length, so that one is padded beside the other.
func twoTexts() []Text {
	return []Text{
		{Name: "facts.txt", Text: strings.Repeat("The capital of France is Paris. The result of 2 + 2 is 4. ", 8)},
		{Name: "codes.txt", Text: strings.Repeat("The code of Mia is 93. Count from 8 to 21. ", 6)},
	}
}

// Several texts are compared together: live, with stored scores and ablated, every position of each.
func TestSeveralTexts(t *testing.T) {
	needMLX(t)
	for _, dir := range []string{dense, mixture} {
		path := t.TempDir() + "/two.safetensors"
		o := quick(report.Quality)
		o.Texts, o.SaveScores, o.Ablate = twoTexts(), path, []Ablate{AblateState}
		live := judge(t, against(t, Directory("tiny", dir), dir), o)
		if !live.Passed || len(live.Ablations) != 1 {
			t.Fatalf("%s: failed %v, not run %v", dir, ended(live, report.Failed), ended(live, report.NotRun))
		}
		saved, err := score.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		lengths := saved.Texts.Lengths()
		saved.Close()
		if len(lengths) != 2 || lengths[0] <= lengths[1] {
			t.Fatalf("%s: texts of %v tokens", dir, lengths)
		}
		o.SaveScores, o.Ablate, o.Scores = "", nil, path
		stored := judge(t, Directory("tiny", dir), o)
		for what, d := range map[string]*report.Divergence{"live": live.Divergence, "stored": stored.Divergence, "ablated": &live.Ablations[0].Divergence} {
			if d == nil || d.Texts != 2 || d.Positions != lengths[0]+lengths[1]-2 || d.ByPosition[len(d.ByPosition)-1].To != lengths[0]-1 || d.TextDigest != live.Divergence.TextDigest {
				t.Errorf("%s, %s: %+v", dir, what, d)
			}
		}
		if stored.Divergence != nil {
			near(t, "perplexity", stored.Divergence.ReferencePerplexity, live.Divergence.ReferencePerplexity, 1e-3)
		}
		o.Texts = o.Texts[:1]
		fewer := judge(t, Directory("tiny", dir), o)
		if c, _ := fewer.Check("quality.tokens"); c.Passed != report.Failed || !strings.Contains(c.Detail, "the number of texts is 1, there 2") {
			t.Errorf("%s: scores of two texts for one of them: %s, %s", dir, c.Passed, c.Detail)
		}
	}
}

// A text counts the same alone and beside another: its rows of scores do not depend on what it is
// read with.
func TestTextsStayApart(t *testing.T) {
	needMLX(t)
	together := savedScores(t, twoTexts())
	for i, text := range twoTexts() {
		alone := savedScores(t, []Text{text})
		if !alone.Texts.Equal(together.Texts[i : i+1]) {
			t.Fatalf("%s is read as other tokens beside another", text.Name)
		}
		for at := range alone.Texts.Positions() {
			for token, want := range mustRow(t, alone, at) {
				near(t, text.Name, float64(mustRow(t, together, together.Texts.Row(i, at))[token]), float64(want), 1e-3)
			}
		}
	}
}

// savedScores are those of the small dense model.
func savedScores(t *testing.T, read []Text) *score.File {
	t.Helper()
	path := t.TempDir() + "/scores.safetensors"
	o := quick(report.Smoke)
	o.Texts, o.SaveScores = read, path
	if r := judge(t, Directory("tiny", dense), o); !r.Passed {
		t.Fatalf("failed %v", ended(r, report.Failed))
	}
	s, err := score.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestShortTextIsNamed(t *testing.T) {
	needMLX(t)
	o := quick(report.Quality)
	o.Texts = append(twoTexts(), Text{Name: "short.txt", Text: "Hello."})
	r := judge(t, against(t, Directory("tiny", dense), dense), o)
	if c, _ := r.Check("quality.tokens"); c.Passed != report.Failed || !strings.HasPrefix(c.Detail, "short.txt has ") {
		t.Errorf("%s: %s", c.Passed, c.Detail)
	}
}

func mustRow(t *testing.T, s *score.File, i int) []float32 {
	t.Helper()
	row, err := s.Row(i)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(row)
}
