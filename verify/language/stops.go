package language

import (
	"errors"
	"fmt"
	"slices"

	"qimport/arch/files"
)

// CheckStops says which stop tokens the tokenizer does not have as special tokens.
func (l *Language) CheckStops() error {
	t := l.Tokenizer
	var findings []error
	for _, id := range l.Stops {
		switch {
		case id < 0 || id >= t.Size():
			findings = append(findings, fmt.Errorf("stop token %d is past the tokenizer's %d ids", id, t.Size()))
		case !t.Special(id):
			findings = append(findings, fmt.Errorf("stop token %d is %q, which is no special token: the tokenizer belongs to another model", id, t.Decode([]int{id}, false)))
		}
	}
	return errors.Join(findings...)
}

// CheckNamed says whether one of the model's files names id as an end. Our own runtime knows the
// family's usual end tokens beside them; other programs do not.
func (l *Language) CheckNamed(c files.Chat, id int) error {
	if !slices.Contains(c.Named(l.Tokenizer.ID), id) {
		return fmt.Errorf("turns end with %s, but no file names it: other programs will not stop there; add %d to eos_token_id in generation_config.json", l.Names([]int{id}), id)
	}
	return nil
}
