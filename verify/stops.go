package verify

import (
	"errors"
	"fmt"
	"slices"

	"qimport/runtime/chat"
)

// checkStops says which stop tokens the tokenizer does not have as special tokens.
func (l *language) checkStops() error {
	t := l.tokens
	var findings []error
	for _, id := range l.stops {
		switch {
		case id < 0 || id >= t.Size():
			findings = append(findings, fmt.Errorf("stop token %d is past the tokenizer's %d ids", id, t.Size()))
		case !t.Special(id):
			findings = append(findings, fmt.Errorf("stop token %d is %q, which is no special token: the tokenizer belongs to another model", id, t.Decode([]int{id}, false)))
		}
	}
	return errors.Join(findings...)
}

// checkNamed says whether one of the model's files names id as an end. Our own runtime knows the
// family's usual end tokens beside them; other programs do not.
func (l *language) checkNamed(files chat.Files, id int) error {
	named, err := chat.NamedStops(files, l.tokens.ID)
	if err != nil {
		return err
	}
	if !slices.Contains(named, id) {
		return fmt.Errorf("turns end with %s (id %d), but neither generation_config.json, config.json nor tokenizer_config.json names it: other programs will not stop there", l.names([]int{id}), id)
	}
	return nil
}
