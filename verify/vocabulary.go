package verify

import (
	"context"
	"slices"

	"qimport/runtime/chat"
	"qimport/runtime/tokenizer"
	"qimport/verify/report"
)

// checkVocabulary holds tokenizer, stop tokens and embedding to each other.
func (r *run) checkVocabulary(context.Context) report.Check {
	if r.source == nil {
		return notRun("the model did not open")
	}
	b, err := r.source.File("tokenizer.json")
	if err != nil {
		return fail("tokenizer.json: %s", sentences(err))
	}
	if r.language.tokens, err = tokenizer.Load(b); err != nil {
		return fail("tokenizer.json: %s", sentences(err))
	}
	rows := r.source.Inventory().Config.VocabSize
	if r.language.tokens.Size() > rows {
		return fail("the tokenizer has %d ids, the embedding %d rows: it belongs to another model", r.language.tokens.Size(), rows)
	}
	if r.language.stops, err = chat.StopTokens(r.source, r.language.tokens.ID); err != nil {
		return fail("%s", sentences(err))
	}
	if err := r.language.checkStops(); err != nil {
		return fail("%s", sentences(err))
	}
	return pass("%d ids in %d rows; an answer ends at %s", r.language.tokens.Size(), rows, r.language.names(r.language.stops))
}

// checkTemplate renders a conversation: the template must be there, carry the messages, end each
// turn with a stop token that the model's files name, and open the assistant's turn.
func (r *run) checkTemplate(context.Context) report.Check {
	if r.language.tokens == nil {
		return notRun("the tokenizer did not load")
	}
	template, err := chat.Load(r.source)
	if err != nil {
		return fail("%s", sentences(err))
	}
	rest, err := turnEnd(template)
	if err != nil {
		return fail("%s", sentences(err))
	}
	r.language.template = template // what is wrong beyond this does not keep the model from being asked
	end := r.language.tokens.Encode(rest)
	if len(end) == 0 || !slices.Contains(r.language.stops, end[0]) {
		return fail("after an answer the chat template writes %q, which begins with no stop token (%s): answers will not end", rest, r.language.names(r.language.stops))
	}
	if err := r.language.checkNamed(r.source, end[0]); err != nil {
		return fail("%s", sentences(err))
	}
	if err := opensTurn(template); err != nil {
		return fail("%s", sentences(err))
	}
	return pass("turns end with %s, which the model's files name", r.language.names(end[:1]))
}
