// Package tokenizer owns text to token ids and back: the byte-level BPE of tokenizer.json,
// its added tokens, and the streaming decoder that emits whole characters only.
//
// It must not know models, chat templates, files or MLX. Bytes and strings come in, ids go out.
package tokenizer

import "fmt"

// Tokenizer is one tokenizer.json, ready to use. It is immutable and safe for concurrent use.
type Tokenizer struct {
	vocab      map[string]int32 // ordinary tokens in the file's spelling: printable stand-ins for bytes
	tokens     []string         // the inverse, by id; "" where no ordinary token has the id
	added      map[int]addedToken
	raw        addedSet // matched in the text as it came
	normalized addedSet // matched after the normalizer
	nfc        bool
	split      *splitter
	bpe        bpe
}

// Load reads a tokenizer.json. Anything that would make its ids differ from the ones that the
// `tokenizers` library gives (another model, normalizer, pre-tokenizer or decoder) is an error.
func Load(data []byte) (*Tokenizer, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("%w: it has %d bytes, more than %d", ErrBadFile, len(data), maxFile)
	}
	f, err := readFile(data)
	if err != nil {
		return nil, err
	}
	return build(f)
}

// Size returns the number of ids: one more than the largest id that has a token. Models usually
// have more rows than that; the ids between are padding, which decodes to nothing.
func (t *Tokenizer) Size() int { return len(t.tokens) }

// ID returns the id of an added token, or of an ordinary token as the file spells it
// ("Ġthe" for " the").
func (t *Tokenizer) ID(content string) (int, bool) {
	for _, set := range []addedSet{t.raw, t.normalized} {
		if a, ok := set.find(content); ok {
			return a.ID, true
		}
	}
	id, ok := t.vocab[content]
	return int(id), ok
}

// Special reports whether id is an added token that the file marks special, such as <|im_end|>.
// <think> and the tool-call marks are added but not special.
func (t *Tokenizer) Special(id int) bool { return t.added[id].Special }

// Encode returns the ids of text. Added tokens are matched first, wherever they stand, so text
// from outside that contains "<|im_end|>" becomes that token. No BOS, EOS or other post-processor
// token is added. Bytes that are not UTF-8 are read as U+FFFD, one for each run.
func (t *Tokenizer) Encode(text string) []int {
	e := encoding{bpe: &t.bpe, ids: make([]int, 0, len(text)/3+1)}
	for gap, id := range t.raw.pieces(validUTF8(text)) {
		if id != ordinary {
			e.ids = append(e.ids, id)
			continue
		}
		if t.nfc {
			gap = nfc(gap)
		}
		t.encodeNormalized(&e, gap)
	}
	return e.ids
}

// encodeNormalized appends the ids of text that has been through the normalizer.
func (t *Tokenizer) encodeNormalized(e *encoding, text string) {
	for gap, id := range t.normalized.pieces(text) {
		if id != ordinary {
			e.ids = append(e.ids, id)
			continue
		}
		for piece := range t.split.pieces(gap) {
			e.piece(piece)
		}
	}
}

// Decode returns the text of ids, all at once. With skipSpecial, tokens that the file marks
// special are left out. It is exactly what a Stream gives for the same ids.
func (t *Tokenizer) Decode(ids []int, skipSpecial bool) string {
	s := t.NewStream(skipSpecial)
	out := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		out = append(out, s.Push(id)...)
	}
	return string(append(out, s.Flush()...))
}
