package tokenizer

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestEncodeIsLinear: a text that is made to be slow takes time in proportion to its length.
func TestEncodeIsLinear(t *testing.T) {
	many := make([]any, 0, maxAdded)
	for i := range maxAdded {
		many = append(many, map[string]any{"id": 2000 + i, "content": "<" + strings.Repeat("|", i%maxContent/2) + fmt.Sprint(i), "special": true})
	}
	crowded, err := Load(edited(t, func(w, _ map[string]any) { w["added_tokens"] = many }))
	if err != nil {
		t.Fatal(err)
	}
	size := 1 << 18 // in which a quadratic way would take many minutes
	if testing.Short() {
		size = 1 << 15
	}
	for name, unit := range map[string]string{
		"letters": "a", "spaces": " ", "tabs": " \t", "digits": "1", "marks": "\u0301", "marks in disorder": "\u0301\u0323", "signs": "!",
		"lines": "\n", "lines and spaces": "\n ", "spaces, then a letter": strings.Repeat(" ", 999) + "a", "opened": "<", "nearly opened": "<|", "not UTF-8": "\xff", "decomposed": "a\u0301",
		"quotes": "'", "Hangul": "\u1100\u1161\u11a8",
	} {
		text := strings.Repeat(unit, size/len(unit))
		for kind, tok := range map[string]*Tokenizer{"": fixture(t), ", many added tokens": crowded} {
			start := time.Now()
			ids := tok.Encode(text)
			if took := time.Since(start); took > time.Minute {
				t.Errorf("%s%s: %v for %d ids", name, kind, took, len(ids))
			} else if testing.Verbose() {
				t.Logf("%s%s: %v for %d ids", name, kind, took, len(ids))
			}
		}
	}
}

// TestBounds: what a tokenizer.json may hold has an end, and one absurd number does not take memory.
func TestBounds(t *testing.T) {
	added := func(n int, content func(i int) string, id func(i int) int) func(w, m map[string]any) {
		return func(w, _ map[string]any) {
			var all []any
			for i := range n {
				all = append(all, map[string]any{"id": id(i), "content": content(i)})
			}
			w["added_tokens"] = all
		}
	}
	name := func(i int) string { return fmt.Sprintf("<%d>", i) }
	next := func(i int) int { return 2000 + i }
	for what, edit := range map[string]func(w, m map[string]any){
		"a large id":         func(_, m map[string]any) { m["vocab"].(map[string]any)["zqzq"] = 1 << 30 },
		"a large added id":   added(1, name, func(int) int { return 1 << 30 }),
		"a negative id":      func(_, m map[string]any) { m["vocab"].(map[string]any)["zqzq"] = -1 },
		"many added tokens":  added(maxAdded+1, name, next),
		"a long added token": added(1, func(int) string { return strings.Repeat("a", maxContent+1) }, next),
		"an id for two":      added(2, name, func(int) int { return 2000 }),
		"two ids for one":    added(2, func(int) string { return "<a>" }, next),
		"many merges":        func(_, m map[string]any) { m["merges"] = make([]string, maxMerges+1) },
		"an expression that hangs": func(w, _ map[string]any) {
			split := w["pre_tokenizer"].(map[string]any)["pretokenizers"].([]any)[0].(map[string]any)
			split["pattern"] = map[string]any{"Regex": `(a+)+$`}
		},
	} {
		var before, after runtime.MemStats
		data := edited(t, edit)
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, err := Load(data)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrBadFile) && !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", what, err)
		}
		if made := (after.TotalAlloc - before.TotalAlloc) >> 20; made > 200 || time.Since(start) > time.Minute {
			t.Errorf("%s: %d MiB, %v", what, made, time.Since(start))
		}
	}
	if _, err := Load(edited(t, added(2, func(int) string { return "<a>" }, func(int) int { return 2000 }))); err != nil {
		t.Errorf("the same added token twice: %v", err)
	}
}
