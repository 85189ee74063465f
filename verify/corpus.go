package verify

import (
	_ "embed"
	"fmt"
)

// builtinText is read when the caller has no text of its own: prose, a letter, arithmetic, code
// and instructions, about 800 tokens of Qwen's vocabulary.
//
//go:embed text.txt
var builtinText string

// defaultTextTokens bounds what is read, and with it the file of scores: 512 positions of a
// 248,320-token vocabulary take 0.5 GB.
const defaultTextTokens = 512

// encoder is all that reading a text needs of a tokenizer.
type encoder interface {
	Encode(text string) []int
}

// readText is the ids that a text begins with, most of them at most: 0 means defaultTextTokens,
// and no text the built-in one.
func readText(text string, most int, e encoder) ([]int, error) {
	if text == "" {
		text = builtinText
	}
	if most == 0 {
		most = defaultTextTokens
	}
	ids := e.Encode(text)
	if len(ids) < minTextTokens {
		return nil, fmt.Errorf("the text has %d tokens, fewer than %d say nothing", len(ids), minTextTokens)
	}
	return ids[:min(len(ids), most)], nil
}

// minTextTokens is the shortest text that a mean over positions makes sense for.
const minTextTokens = 32
