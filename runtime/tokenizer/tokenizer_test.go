package tokenizer

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// fixture loads the tokenizer of the small models: 1024 ordinary tokens, 20 added.
func fixture(t testing.TB) *Tokenizer {
	t.Helper()
	tok, err := Load(fixtureJSON(t))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func fixtureJSON(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("../../testdata/qwen3.5-bf16/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestGolden holds ids and text to what the `tokenizers` library gives for 230 awkward texts.
func TestGolden(t *testing.T) {
	tok := fixture(t)
	data, err := os.ReadFile("testdata/tokenizer_golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []struct {
			Text, Decoded string
			IDs           []int
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) < 200 {
		t.Fatalf("only %d golden cases", len(golden.Cases))
	}
	for _, c := range golden.Cases {
		if got := tok.Encode(c.Text); !slices.Equal(got, c.IDs) {
			t.Errorf("Encode(%q) = %v, want %v", c.Text, got, c.IDs)
		}
		if got := tok.Decode(c.IDs, false); got != c.Decoded {
			t.Errorf("Decode of %q = %q, want %q", c.Text, got, c.Decoded)
		}
	}
}

func TestLookup(t *testing.T) {
	tok := fixture(t)
	if tok.Size() != 1044 {
		t.Errorf("Size() = %d, want 1044", tok.Size())
	}
	for _, c := range []struct {
		content string
		id      int
		ok      bool
		special bool
	}{
		{"<|im_end|>", 1026, true, true},
		{"</think>", 1043, true, false},
		{"!", 0, true, false},
		{"Ġ", 220, true, false},
		{"<|im_end", 0, false, false},
		{"", 0, false, false},
	} {
		id, ok := tok.ID(c.content)
		if ok != c.ok || id != c.id || ok && tok.Special(id) != c.special {
			t.Errorf("ID(%q) = %d, %v, special %v; want %+v", c.content, id, ok, tok.Special(id), c)
		}
	}
}

func TestDecodeSkipsSpecialOnly(t *testing.T) {
	tok := fixture(t)
	ids := tok.Encode("<|im_start|>a<think>b</think><|im_end|>")
	if got := tok.Decode(ids, true); got != "a<think>b</think>" {
		t.Errorf("skipping special: %q", got)
	}
	if got := tok.Decode([]int{-1, 1087, 1 << 40}, false); got != "" {
		t.Errorf("ids without a token decode to %q", got)
	}
}

// TestLongPiece: a hundred thousand letters without a space are one piece. All of them take a
// tenth of a second in n log n steps; in n squared they would take minutes.
func TestLongPiece(t *testing.T) {
	tok := fixture(t)
	start := time.Now()
	for _, unit := range []string{"a", "the", "日本", " ", "=", "\n"} {
		text := strings.Repeat(unit, 100_000/len(unit))
		if got := tok.Decode(tok.Encode(text), false); got != text {
			t.Errorf("100 KB of %q do not come back", unit)
		}
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("six pieces of 100 KB took %v", took)
	}
}

func TestEncodeInvalidUTF8(t *testing.T) {
	tok := fixture(t)
	if got := tok.Decode(tok.Encode("a\xff\xfeb\xe4\xbd"), false); got != "a\ufffdb\ufffd" {
		t.Errorf("got %q", got)
	}
}

func FuzzEncode(f *testing.F) {
	tok := fixture(f)
	for _, s := range []string{"", " a\u0301 e", "it's IT'\u017f", "\r\n \t\u00a0x", "🙂\u200d", "x" + strings.Repeat("\u0323\u0307", 40)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ids := tok.Encode(s)
		if !utf8.ValidString(s) || slices.ContainsFunc(ids, func(id int) bool { return id >= 1024 }) {
			return // it must only not panic
		}
		if got, want := tok.Decode(ids, false), nfc(s); got != want {
			t.Errorf("%q came back as %q, want %q", s, got, want)
		}
	})
}
