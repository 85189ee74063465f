package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"qimport/arch/files"
	"qimport/runtime/chat"
	"qimport/runtime/tokenizer"
	"qimport/verify/report"
)

// checkVocabulary holds tokenizer, stop tokens and embedding to each other.
func (r *run) checkVocabulary(context.Context) report.Check {
	if r.source == nil {
		return notRun("the model did not open")
	}
	b, err := r.source.File(files.Tokenizer)
	if err != nil {
		return fail("tokenizer.json: %s", sentences(err))
	}
	if r.tokens, err = tokenizer.Load(b); err != nil {
		return fail("tokenizer.json: %s", sentences(err))
	}
	rows := r.source.Inventory().Config.VocabSize
	if r.tokens.Size() > rows {
		return fail("the tokenizer has %d ids, the embedding %d rows: it belongs to another model", r.tokens.Size(), rows)
	}
	if r.stops, err = r.source.Inventory().Chat.StopTokens(r.tokens.ID); err != nil {
		return fail("%s", sentences(err))
	}
	if err := checkStops(r.tokens, r.stops); err != nil {
		return fail("%s", sentences(err))
	}
	return pass("%d ids in %d rows; an answer ends at %s", r.tokens.Size(), rows, r.names(r.stops))
}

// checkStops says which stop tokens the tokenizer does not have as special tokens.
func checkStops(t *tokenizer.Tokenizer, stops []int) error {
	var findings []error
	for _, id := range stops {
		switch {
		case id < 0 || id >= t.Size():
			findings = append(findings, fmt.Errorf("stop token %d is past the tokenizer's %d ids", id, t.Size()))
		case !t.Special(id):
			findings = append(findings, fmt.Errorf("stop token %d is %q, which is no special token: the tokenizer belongs to another model", id, t.Decode([]int{id}, false)))
		}
	}
	return errors.Join(findings...)
}

// checkTemplate renders a conversation: the template must be there, carry the messages, end each
// turn with a stop token that the model's files name, and open the assistant's turn.
func (r *run) checkTemplate(context.Context) report.Check {
	if r.tokens == nil {
		return notRun("the tokenizer did not load")
	}
	template, err := chat.Compile(r.source.Inventory().Chat)
	if err != nil {
		return fail("%s", sentences(err))
	}
	rest, err := turnEnd(template)
	if err != nil {
		return fail("%s", sentences(err))
	}
	r.template = template // what is wrong beyond this does not keep the model from being asked
	end := r.tokens.Encode(rest)
	if len(end) == 0 || !slices.Contains(r.stops, end[0]) {
		return fail("after an answer the chat template writes %q, which begins with no stop token (%s): answers will not end", rest, r.names(r.stops))
	}
	if err := namedStop(r.source.Inventory().Chat, r.tokens, end[0]); err != nil {
		return fail("%s", sentences(err))
	}
	if err := opensTurn(template); err != nil {
		return fail("%s", sentences(err))
	}
	return pass("turns end with %s, which the model's files name", r.names(end[:1]))
}

// opensTurn says whether the template adds something for the model to go on from.
func opensTurn(t *chat.Template) error {
	question := []chat.Message{{Role: "user", Content: "Where does the ferry leave?"}}
	closed, err := t.Render(question, chat.Options{})
	if err != nil {
		return err
	}
	opened, err := t.Render(question, chat.Options{AddGenerationPrompt: true})
	if err == nil && len(opened) <= len(closed) {
		err = fmt.Errorf("the chat template does not open the assistant's turn: with and without it makes %q", clip(opened))
	}
	return err
}

// namedStop says whether one of the model's files names id as an end. Our own runtime knows the
// family's usual end tokens beside them; other programs do not.
func namedStop(c files.Chat, t *tokenizer.Tokenizer, id int) error {
	if !slices.Contains(c.Named(t.ID), id) {
		return fmt.Errorf("turns end with %s (id %d), but neither generation_config.json, config.json nor tokenizer_config.json names it: other programs will not stop there", t.Decode([]int{id}, false), id)
	}
	return nil
}
