package language

import (
	"errors"
	"strings"

	"qimport/arch/files"
	"qimport/runtime/chat"
	"qimport/runtime/tokenizer"
)

// Language is what a model's files say of it.
type Language struct {
	Tokenizer *tokenizer.Tokenizer
	Template  *chat.Template
	Stops     []int // every token that ends an answer
}

// Read loads tokenizer and template of a checkpoint that was not checked. said is what its files say
// of a conversation.
func Read(model files.Set, said files.Chat) (Language, error) {
	b, err := model.File(files.Tokenizer)
	if err != nil {
		return Language{}, err
	}
	l := Language{}
	if l.Tokenizer, err = tokenizer.Load(b); err != nil {
		return Language{}, err
	}
	if l.Template, err = chat.Compile(said); err != nil && !errors.Is(err, chat.ErrNoTemplate) {
		return Language{}, err
	}
	return l, nil
}

// Names spells token ids out.
func (l *Language) Names(ids []int) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = l.Tokenizer.Decode([]int{id}, false)
	}
	return strings.Join(names, " ")
}

// Control are the tokens that an answer must not hold: every special one, and the marks of
// thinking where the model was told not to think.
func (l *Language) Control(thinking bool) map[int]string {
	marks := map[int]string{}
	for id := range l.Tokenizer.Size() {
		if l.Tokenizer.Special(id) {
			marks[id] = l.Tokenizer.Decode([]int{id}, false)
		}
	}
	if !thinking {
		for _, mark := range []string{"<think>", "</think>"} {
			if id, ok := l.Tokenizer.ID(mark); ok {
				marks[id] = mark
			}
		}
	}
	return marks
}
