package score

import "testing"

func TestTextsDigest(t *testing.T) {
	// Of one text the SHA-256 of its ids alone, as it has always been; of several, of their number
	// and lengths besides. Both worked out with another program.
	for want, x := range map[string]Texts{
		"sha256:34fb5c825de7ca4aea6e712f19d439c1da0c92c37b423936c5f618545ca4fa1f": {{1, 2}},
		"sha256:68270678351bd4d174229ab15719b9d6e63ff89c9141f9dd494b71f9905a2dd9": {{1, 2}, {3}},
	} {
		if got := x.Digest(); got != want {
			t.Errorf("%v: %s, want %s", x, got, want)
		}
	}
	seen := map[string]Texts{}
	for _, x := range []Texts{{{1, 2, 3}}, {{1, 2}, {3}}, {{1}, {2, 3}}, {{1}, {2}, {3}}, {{3}, {1, 2}}, {{2, 2, 1, 1, 2, 3}}} {
		if other, ok := seen[x.Digest()]; ok {
			t.Errorf("%v and %v have one digest", x, other)
		}
		seen[x.Digest()] = x
	}
}

// Each prediction of each text has a row of its own, in order.
func TestTextsRows(t *testing.T) {
	x, row := Texts{{1, 2, 3}, {4, 5}, {6, 7, 8, 9}}, 0
	for text, ids := range x.Contexts() {
		for i := range ids {
			if got := x.Row(text, i); got != row {
				t.Errorf("token %d of text %d: row %d, want %d", i, text, got, row)
			}
			row++
		}
	}
	if row != 6 || x.Positions() != row || x.tokens() != 9 {
		t.Errorf("%d rows of %d, %d tokens", row, x.Positions(), x.tokens())
	}
}

func TestTextsDifference(t *testing.T) {
	for _, tt := range []struct {
		ours, theirs Texts
		want         string
	}{
		{Texts{{1, 2}}, Texts{{1, 3}}, "token 1 is 2, there 3"},
		{Texts{{1, 2}, {3}}, Texts{{1, 2}, {4}}, "in text 2, token 0 is 3, there 4"},
		{Texts{{1, 2}, {3}}, Texts{{1}, {2, 3}}, "in text 1, 2 tokens, there 1"},
		{Texts{{1, 2}, {3}}, Texts{{1, 2, 3}}, "the number of texts is 2, there 1"},
	} {
		if tt.ours.Equal(tt.theirs) {
			t.Errorf("%v equals %v", tt.ours, tt.theirs)
		}
		if got := tt.ours.Difference(tt.theirs); got != tt.want {
			t.Errorf("%v, %v: %q, want %q", tt.ours, tt.theirs, got, tt.want)
		}
	}
	if x := (Texts{{1, 2}, {3}}); !x.Equal(Texts{{1, 2}, {3}}) {
		t.Errorf("%v does not equal itself", x)
	}
}
