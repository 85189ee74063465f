package verify

import (
	"errors"
	"strings"

	"qimport/arch/files"
	"qimport/convert/source"
	"qimport/runtime/chat"
	"qimport/runtime/tokenizer"
)

// language is how text goes into a model and comes out: what the smoke checks read of its files.
type language struct {
	tokens   *tokenizer.Tokenizer
	template *chat.Template
	stops    []int // every token that ends an answer
}

// readLanguage reads tokenizer and template of a checkpoint that was not checked.
func readLanguage(s *source.Source) (language, error) {
	b, err := s.File(files.Tokenizer)
	if err != nil {
		return language{}, err
	}
	l := language{}
	if l.tokens, err = tokenizer.Load(b); err != nil {
		return language{}, err
	}
	if l.template, err = chat.Compile(s.Inventory().Chat); err != nil && !errors.Is(err, chat.ErrNoTemplate) {
		return language{}, err
	}
	return l, nil
}

// encodeTexts reads the texts as a language does: the caller's, or the built-in one in its chat form.
func (o Options) encodeTexts(l language) (texts, error) {
	given := o.Texts
	if len(given) == 0 {
		if l.template == nil {
			return nil, chat.ErrNoTemplate
		}
		text, err := dialogue(l.template)
		if err != nil {
			return nil, err
		}
		given = []Text{{Name: "the text", Text: text}}
	}
	read := make(texts, len(given))
	for i, text := range given {
		ids, err := readText(text, o.TextTokens, l.tokens)
		if err != nil {
			return nil, err
		}
		read[i] = ids
	}
	return read, nil
}

// names spells token ids out.
func (l *language) names(ids []int) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = l.tokens.Decode([]int{id}, false)
	}
	return strings.Join(names, " ")
}

// control are the tokens that an answer must not hold: every special one, and the marks of
// thinking where the model was told not to think.
func (l *language) control(thinking bool) map[int]string {
	marks := map[int]string{}
	for id := range l.tokens.Size() {
		if l.tokens.Special(id) {
			marks[id] = l.tokens.Decode([]int{id}, false)
		}
	}
	if !thinking {
		for _, mark := range []string{"<think>", "</think>"} {
			if id, ok := l.tokens.ID(mark); ok {
				marks[id] = mark
			}
		}
	}
	return marks
}
