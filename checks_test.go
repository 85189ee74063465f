package qimport

import "testing"

func TestParseShare(t *testing.T) {
	for text, want := range map[string]float64{
		"0.5": 0.5, "1": 1, "50%": 0.5, "100%": 1,
		"0": -1, "1.5": -1, "120%": -1, "10MB": -1, "": -1, "%": -1, "NaN": -1, "-0.5": -1,
	} {
		got, err := parseShare(text)
		if refused := err != nil; refused != (want < 0) || !refused && got != want {
			t.Errorf("%q: %g, %v; want %g", text, got, err, want)
		}
	}
}
