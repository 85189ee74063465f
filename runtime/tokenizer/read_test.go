package tokenizer

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

// edited returns the fixture's tokenizer.json after edit has changed it.
func edited(t testing.TB, edit func(whole, model map[string]any)) []byte {
	t.Helper()
	var whole map[string]any
	if err := json.Unmarshal(fixtureJSON(t), &whole); err != nil {
		t.Fatal(err)
	}
	edit(whole, whole["model"].(map[string]any))
	data, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestLoadRefuses(t *testing.T) {
	type object = map[string]any
	split := func(whole object, i int) object {
		return whole["pre_tokenizer"].(object)["pretokenizers"].([]any)[i].(object)
	}
	for _, c := range []struct {
		name string
		edit func(whole, model map[string]any)
		want error
		says string
	}{
		{"unigram", func(_, m object) { m["type"], m["vocab"] = "Unigram", []any{} }, ErrUnsupported, `"Unigram"`},
		{"byte fallback", func(_, m object) { m["byte_fallback"] = true }, ErrUnsupported, "byte_fallback"},
		{"dropout", func(_, m object) { m["dropout"] = 0.1 }, ErrUnsupported, "dropout"},
		{"unknown token", func(_, m object) { m["unk_token"] = "<unk>" }, ErrUnsupported, "<unk>"},
		{"suffix", func(_, m object) { m["end_of_word_suffix"] = "</w>" }, ErrUnsupported, "suffix"},
		{"normalizer", func(w, _ object) { w["normalizer"] = object{"type": "NFKC"} }, ErrUnsupported, "NFKC"},
		{"normalizer inside", func(w, _ object) {
			w["normalizer"] = object{"type": "Sequence", "normalizers": []any{object{"type": "Lowercase"}}}
		}, ErrUnsupported, "Lowercase"},
		{"no pre-tokenizer", func(w, _ object) { w["pre_tokenizer"] = nil }, ErrUnsupported, "none"},
		{"Metaspace", func(w, _ object) { split(w, 0)["type"] = "Metaspace" }, ErrUnsupported, "Metaspace"},
		{"merged split", func(w, _ object) { split(w, 0)["behavior"] = "MergedWithNext" }, ErrUnsupported, "isolated"},
		{"prefix space", func(w, _ object) { split(w, 1)["add_prefix_space"] = true }, ErrUnsupported, "space"},
		{"splits twice", func(w, _ object) { delete(split(w, 1), "use_regex") }, ErrUnsupported, "second time"},
		{"decoder", func(w, _ object) { w["decoder"] = object{"type": "WordPiece"} }, ErrUnsupported, "WordPiece"},
		{"strips", func(w, _ object) { w["added_tokens"].([]any)[0].(object)["lstrip"] = true }, ErrUnsupported, "<|endoftext|>"},
		{"byte missing", func(_, m object) { delete(m["vocab"].(object), "Ġ") }, ErrUnsupported, "0x20"},
		{"merge of strangers", func(_, m object) { m["merges"] = []any{[]any{"!", "zzz"}} }, ErrBadFile, "zzz"},
		{"merge of three", func(_, m object) { m["merges"] = []any{[]any{"!", "!", "!"}} }, ErrBadFile, "merge 0"},
		{"merge of one word", func(_, m object) { m["merges"] = []any{"!"} }, ErrBadFile, "merge 0"},
		{"id twice", func(_, m object) { m["vocab"].(object)["he"] = 0 }, ErrBadFile, "same id 0"},
		{"absurd id", func(_, m object) { m["vocab"].(object)["he"] = 2_000_000_000 }, ErrBadFile, "2000000000"},
		{"negative id", func(w, _ object) { w["added_tokens"].([]any)[0].(object)["id"] = -1 }, ErrBadFile, "-1"},
		{"added id taken", func(w, _ object) { w["added_tokens"].([]any)[0].(object)["id"] = 5 }, ErrBadFile, "taken"},
		{"vocabulary of strings", func(_, m object) { m["vocab"].(object)["he"] = "x" }, ErrBadFile, ""},
	} {
		_, err := Load(edited(t, c.edit))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %v with %q", c.name, err, c.want, c.says)
		}
	}
	for _, text := range []string{"", "[]", "{", `{"model":`, `{"model":{"vocab":{"a":0,"a":1}}}`} {
		if _, err := Load([]byte(text)); !errors.Is(err, ErrBadFile) && !errors.Is(err, ErrUnsupported) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

// TestLoadForms: other spellings of the same tokenizer give the same ids.
func TestLoadForms(t *testing.T) {
	const text = "The e\u0301 <think> of 12 tests\n"
	want := fixture(t).Encode(text)
	for _, c := range []struct {
		name string
		edit func(whole, model map[string]any)
	}{
		{"merges as strings", func(_, m map[string]any) {
			for i, pair := range m["merges"].([]any) {
				sides := pair.([]any)
				m["merges"].([]any)[i] = sides[0].(string) + " " + sides[1].(string)
			}
		}},
		{"normalizer in a sequence", func(w, _ map[string]any) {
			w["normalizer"] = map[string]any{"type": "Sequence", "normalizers": []any{w["normalizer"]}}
		}},
		{"added token matched after the normalizer", func(w, _ map[string]any) {
			w["added_tokens"].([]any)[18].(map[string]any)["normalized"] = true
		}},
	} {
		tok, err := Load(edited(t, c.edit))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := tok.Encode(text); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c.name, got, want)
		}
	}
}

// TestIgnoreMerges: a word that is in the vocabulary is taken whole, even if merges would not
// lead to it.
func TestIgnoreMerges(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		tok, err := Load(edited(t, func(w, m map[string]any) {
			w["added_tokens"] = []any{}
			m["vocab"].(map[string]any)["zqzq"] = 1024
			m["ignore_merges"] = ignore
		}))
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Equal(tok.Encode("zqzq"), []int{1024}); got != ignore {
			t.Errorf("ignore_merges %v: %v", ignore, tok.Encode("zqzq"))
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"model":{"type":"BPE","vocab":{"a":0},"merges":["a a",["a","a"]]},"decoder":{"type":"ByteLevel"}}`))
	f.Add([]byte(`{"added_tokens":[{"id":1,"content":"x"}],"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := Load(data); err != nil && !errors.Is(err, ErrBadFile) && !errors.Is(err, ErrUnsupported) {
			t.Errorf("rejected without saying so: %v", err)
		}
	})
}
