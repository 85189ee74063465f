package tokenizer

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// largeJSON makes a tokenizer.json with the size and shape of a released one: 248,000 ordinary
// tokens, each but the bytes made by one merge.
func largeJSON(t testing.TB) []byte {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 5))
	vocab := make(map[string]int32)
	var tokens []string
	for _, r := range byteRunes {
		vocab[string(r)] = int32(len(tokens))
		tokens = append(tokens, string(r))
	}
	var merges [][2]string
	for len(tokens) < 248_000 {
		left, right := tokens[random.IntN(len(tokens))], tokens[random.IntN(min(len(tokens), 3000))]
		if _, known := vocab[left+right]; known || len(left+right) > 20 {
			continue
		}
		vocab[left+right] = int32(len(tokens))
		tokens = append(tokens, left+right)
		merges = append(merges, [2]string{left, right})
	}
	var whole map[string]any
	if err := json.Unmarshal(fixtureJSON(t), &whole); err != nil {
		t.Fatal(err)
	}
	whole["added_tokens"] = []addedToken{{ID: len(tokens), Content: "<|endoftext|>", Special: true}}
	whole["model"].(map[string]any)["vocab"] = vocab
	whole["model"].(map[string]any)["merges"] = merges
	data, err := json.MarshalIndent(whole, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func BenchmarkLoad(b *testing.B) {
	data := largeJSON(b)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncodeProse reads a document with words, code and several scripts.
func BenchmarkEncodeProse(b *testing.B) {
	tok := fixture(b)
	data, err := os.ReadFile("testdata/tokenizer_golden.json")
	if err != nil {
		b.Fatal(err)
	}
	text := string(data)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		tok.Encode(text)
	}
}

// BenchmarkEncodeLongPiece shows that the time for each byte does not grow with the piece.
func BenchmarkEncodeLongPiece(b *testing.B) {
	tok := fixture(b)
	for _, size := range []int{1_000, 10_000, 100_000, 1_000_000} {
		text := strings.Repeat("hetheinisra", size/11)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tok.Encode(text)
			}
		})
	}
}

func BenchmarkStream(b *testing.B) {
	tok := fixture(b)
	ids := tok.Encode(strings.Repeat("What is 2+2? 你好🙂 ", 100))
	for b.Loop() {
		tok.Decode(ids, true)
	}
}
