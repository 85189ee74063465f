package verify

import (
	"qimport/verify/report"
	"strings"
	"testing"
)

func TestTextsDigest(t *testing.T) {
	// Of one text the SHA-256 of its ids alone, as it has always been; of several, of their number
	// and lengths besides. Both worked out with another program.
	for want, x := range map[string]texts{
		"sha256:34fb5c825de7ca4aea6e712f19d439c1da0c92c37b423936c5f618545ca4fa1f": {{1, 2}},
		"sha256:68270678351bd4d174229ab15719b9d6e63ff89c9141f9dd494b71f9905a2dd9": {{1, 2}, {3}},
	} {
		if got := x.digest(); got != want {
			t.Errorf("%v: %s, want %s", x, got, want)
		}
	}
	seen := map[string]texts{}
	for _, x := range []texts{{{1, 2, 3}}, {{1, 2}, {3}}, {{1}, {2, 3}}, {{1}, {2}, {3}}, {{3}, {1, 2}}, {{2, 2, 1, 1, 2, 3}}} {
		if other, ok := seen[x.digest()]; ok {
			t.Errorf("%v and %v have one digest", x, other)
		}
		seen[x.digest()] = x
	}
}

// Each prediction of each text has a row of its own, in order.
func TestTextsRows(t *testing.T) {
	x, row := texts{{1, 2, 3}, {4, 5}, {6, 7, 8, 9}}, 0
	for text, ids := range x.contexts() {
		for i := range ids {
			if got := x.row(text, i); got != row {
				t.Errorf("token %d of text %d: row %d, want %d", i, text, got, row)
			}
			row++
		}
	}
	if row != 6 || x.positions() != row || x.tokens() != 9 {
		t.Errorf("%d rows of %d, %d tokens", row, x.positions(), x.tokens())
	}
}

func TestTextsDifference(t *testing.T) {
	for _, tt := range []struct {
		ours, theirs texts
		want         string
	}{
		{texts{{1, 2}}, texts{{1, 3}}, "token 1 is 2, there 3"},
		{texts{{1, 2}, {3}}, texts{{1, 2}, {4}}, "in text 2, token 0 is 3, there 4"},
		{texts{{1, 2}, {3}}, texts{{1}, {2, 3}}, "in text 1, 2 tokens, there 1"},
		{texts{{1, 2}, {3}}, texts{{1, 2, 3}}, "the number of texts is 2, there 1"},
	} {
		if tt.ours.equal(tt.theirs) {
			t.Errorf("%v equals %v", tt.ours, tt.theirs)
		}
		if got := tt.ours.difference(tt.theirs); got != tt.want {
			t.Errorf("%v, %v: %q, want %q", tt.ours, tt.theirs, got, tt.want)
		}
	}
	if x := (texts{{1, 2}, {3}}); !x.equal(texts{{1, 2}, {3}}) {
		t.Errorf("%v does not equal itself", x)
	}
}

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
		saved, err := openScores(path)
		if err != nil {
			t.Fatal(err)
		}
		lengths := saved.texts.lengths()
		saved.close()
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
		if !alone.texts.equal(together.texts[i : i+1]) {
			t.Fatalf("%s is read as other tokens beside another", text.Name)
		}
		for at := range alone.texts.positions() {
			for token, want := range mustRow(t, alone, at) {
				near(t, text.Name, float64(mustRow(t, together, together.texts.row(i, at))[token]), float64(want), 1e-3)
			}
		}
	}
}

// savedScores are those of the small dense model.
func savedScores(t *testing.T, read []Text) *scores {
	t.Helper()
	path := t.TempDir() + "/scores.safetensors"
	o := quick(report.Smoke)
	o.Texts, o.SaveScores = read, path
	if r := judge(t, Directory("tiny", dense), o); !r.Passed {
		t.Fatalf("failed %v", ended(r, report.Failed))
	}
	s, err := openScores(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
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
