package tokenizer

import (
	"fmt"
	"slices"
)

// What a tokenizer.json may hold. The largest of the family has 248,320 ids in 20 MB, and some
// hundred added tokens.
const (
	maxFile    = 256 << 20 // bytes
	maxIDs     = 1 << 20   // also of the vocabulary: a table has a row for each
	maxMerges  = 1 << 20
	maxAdded   = 1 << 14
	maxContent = 1 << 10 // bytes of an added token, which every place in a text is held against
)

// build checks that f is what this package implements and makes its tables.
func build(f file) (*Tokenizer, error) {
	usesNFC, err := checkNormalizer(f.normalizer)
	if err != nil {
		return nil, err
	}
	expression, err := checkPreTokenizer(f.preTokenizer)
	if err != nil {
		return nil, err
	}
	if f.decoder == nil || f.decoder.Type != "ByteLevel" {
		return nil, fmt.Errorf("%w: decoder %s, only ByteLevel is known", ErrUnsupported, typeOf(f.decoder))
	}
	if err := checkModel(f.model); err != nil {
		return nil, err
	}
	t := &Tokenizer{vocab: f.model.vocab, nfc: usesNFC, added: map[int]addedToken{}}
	if t.split, err = newSplitter(expression); err != nil {
		return nil, err
	}
	if t.bpe, err = newBPE(f.model); err != nil {
		return nil, err
	}
	return t, t.index(f.added)
}

// checkModel refuses every model but plain byte-level BPE.
func checkModel(m model) error {
	o := m.options
	set := func(s *string) bool { return s != nil && *s != "" }
	switch {
	case o.Type != "BPE":
		return fmt.Errorf("%w: model type %q, only BPE is known", ErrUnsupported, o.Type)
	case o.ByteFallback:
		return fmt.Errorf("%w: model has byte_fallback, as SentencePiece models do", ErrUnsupported)
	case o.Dropout != nil && *o.Dropout != 0:
		return fmt.Errorf("%w: model has dropout %g, which makes ids random", ErrUnsupported, *o.Dropout)
	case set(o.UnkToken):
		return fmt.Errorf("%w: model has unk_token %q, byte-level BPE has none", ErrUnsupported, *o.UnkToken)
	case set(o.ContinuingSubwordPrefix), set(o.EndOfWordSuffix):
		return fmt.Errorf("%w: model has continuing_subword_prefix or end_of_word_suffix", ErrUnsupported)
	}
	return nil
}

// checkNormalizer reports whether the normalizer is NFC, alone or in sequences. None is fine.
func checkNormalizer(c *component) (nfc bool, err error) {
	switch {
	case c == nil:
		return false, nil
	case c.Type == "NFC":
		return true, nil
	case c.Type != "Sequence":
		return false, fmt.Errorf("%w: normalizer %s, only NFC is known", ErrUnsupported, c.Type)
	}
	for i := range c.Normalizers {
		one, err := checkNormalizer(&c.Normalizers[i])
		if err != nil {
			return false, err
		}
		nfc = nfc || one
	}
	return nfc, nil
}

// checkPreTokenizer returns the regular expression of a Sequence of one isolating Split and one
// ByteLevel, the only pre-tokenizer of this family.
func checkPreTokenizer(c *component) (expression string, err error) {
	if c == nil || c.Type != "Sequence" || len(c.PreTokenizers) != 2 {
		return "", fmt.Errorf("%w: pre_tokenizer %s, only a Sequence of Split and ByteLevel is known", ErrUnsupported, typeOf(c))
	}
	split, bytes := c.PreTokenizers[0], c.PreTokenizers[1]
	switch {
	case split.Type != "Split" || bytes.Type != "ByteLevel":
		return "", fmt.Errorf("%w: pre_tokenizer is a Sequence of %s and %s, only Split and ByteLevel is known", ErrUnsupported, split.Type, bytes.Type)
	case split.Pattern.Regex == nil || split.Behavior != "Isolated" || split.Invert:
		return "", fmt.Errorf("%w: pre_tokenizer Split is not by an isolated regular expression", ErrUnsupported)
	case bytes.AddPrefixSpace || bytes.UseRegex == nil || *bytes.UseRegex:
		return "", fmt.Errorf("%w: pre_tokenizer ByteLevel adds a space or splits a second time", ErrUnsupported)
	}
	if !slices.Contains(knownPatterns(), *split.Pattern.Regex) {
		return "", fmt.Errorf("%w: pre_tokenizer splits by an expression that is none of the Qwen family's: %.100q", ErrUnsupported, *split.Pattern.Regex)
	}
	return *split.Pattern.Regex, nil
}

// typeOf names a component in an error.
func typeOf(c *component) string {
	if c == nil {
		return "none"
	}
	return c.Type
}

// index fills the tables by id from the vocabulary and the added tokens.
func (t *Tokenizer) index(added []addedToken) error {
	size := 0
	place := func(id int, token string) error {
		if id < 0 || id >= maxIDs {
			return fmt.Errorf("%w: token %q has id %d, which cannot be right", ErrBadFile, token, id)
		}
		size = max(size, id+1)
		return nil
	}
	for token, id := range t.vocab {
		if err := place(int(id), token); err != nil {
			return err
		}
	}
	for _, a := range added {
		if err := place(a.ID, a.Content); err != nil {
			return err
		}
	}
	t.tokens = make([]string, size)
	for token, id := range t.vocab {
		if other := t.tokens[id]; other != "" {
			return fmt.Errorf("%w: tokens %q and %q have the same id %d", ErrBadFile, min(token, other), max(token, other), id)
		}
		t.tokens[id] = token
	}
	return t.indexAdded(added)
}

// indexAdded sorts the added tokens into the set that looks at raw text and the one that looks
// at normalized text. A token that is listed twice counts once.
func (t *Tokenizer) indexAdded(added []addedToken) error {
	if len(added) > maxAdded {
		return fmt.Errorf("%w: it has %d added tokens, more than %d", ErrBadFile, len(added), maxAdded)
	}
	ids := map[string]int{}
	var raw, normalized []addedToken
	for _, a := range added {
		if a.SingleWord || a.LeftStrip || a.RightStrip {
			return fmt.Errorf("%w: added token %q sets single_word, lstrip or rstrip", ErrUnsupported, a.Content)
		}
		if other := t.tokens[a.ID]; a.Content == "" || other != "" && other != a.Content {
			return fmt.Errorf("%w: added token %q has id %d, which is taken by %q", ErrBadFile, a.Content, a.ID, other)
		}
		if len(a.Content) > maxContent {
			return fmt.Errorf("%w: added token %d has %d bytes, more than %d", ErrBadFile, a.ID, len(a.Content), maxContent)
		}
		other, again := t.added[a.ID]
		id, known := ids[a.Content]
		switch {
		case again && other.Content != a.Content:
			return fmt.Errorf("%w: added tokens %q and %q have the same id %d", ErrBadFile, other.Content, a.Content, a.ID)
		case known && id != a.ID:
			return fmt.Errorf("%w: added token %q has two ids, %d and %d", ErrBadFile, a.Content, id, a.ID)
		case known:
			continue
		}
		t.added[a.ID], ids[a.Content] = a, a.ID
		if a.Normalized {
			normalized = append(normalized, a)
		} else {
			raw = append(raw, a)
		}
	}
	t.raw, t.normalized = newAddedSet(raw), newAddedSet(normalized)
	return nil
}
