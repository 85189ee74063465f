package untrusted

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestUnmarshal(t *testing.T) {
	type group struct {
		Size  *int                       `json:"size"`
		Names []string                   `json:"names"`
		Sym   bool                       `json:"sym"`
		Share float64                    `json:"share"`
		Kind  string                     `json:"kind"`
		Inner map[string]json.RawMessage `json:"inner"`
	}
	for text, want := range map[string]string{
		``:                     "it is missing",
		`7`:                    "it is a number, where an object is due",
		`[]`:                   "it is a list, where an object is due",
		`{"size": 1e300}`:      "size is the number 1e300, where a whole number in range is due",
		`{"size": "8"}`:        "size is a string, where a whole number in range is due",
		`{"names": {}}`:        "names is an object, where a list is due",
		`{"sym": 1}`:           "sym is a number, where true or false is due",
		`{"share": true}`:      "share is true or false, where a number is due",
		`{"kind": []}`:         "kind is a list, where a string is due",
		`{"inner": "x"}`:       "inner is a string, where an object is due",
		`{"size": 1`:           "unexpected end of JSON input",
		`{"size": 1, "sym": 0`: "unexpected end of JSON input",
	} {
		var into group
		if err := Unmarshal([]byte(text), &into); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	var into group
	if err := Unmarshal([]byte(`{"size": 8, "names": null}`), &into); err != nil || *into.Size != 8 {
		t.Errorf("got %+v, %v", into, err)
	}
	if err := Unmarshal([]byte(`{"size": `+strings.Repeat("9", 5000)+`}`), &into); err == nil || len(err.Error()) > 2*TextMax {
		t.Errorf("a number of 5000 digits: %d bytes of an error", len(err.Error()))
	}
}
