package verify

import (
	"context"
	"slices"

	"qimport/arch/files"
	"qimport/runtime/chat"
	"qimport/runtime/tokenizer"
	"qimport/verify/language"
	"qimport/verify/report"
)

// checkVocabulary holds tokenizer, stop tokens and embedding to each other. Each is sound by itself in
// a model that was given another one's tokenizer; only side by side do they show it.
func (r *run) checkVocabulary(context.Context) report.Check {
	if r.source == nil {
		return notRun("the model did not open")
	}
	l := &r.language
	b, err := r.source.File(files.Tokenizer)
	if err != nil {
		return fail("tokenizer.json: %s", sentences(err))
	}
	if l.Tokenizer, err = tokenizer.Load(b); err != nil {
		return fail("tokenizer.json: %s", sentences(err))
	}
	rows := r.source.Inventory().Config.VocabSize
	if l.Tokenizer.Size() > rows {
		return fail("the tokenizer has %d ids, the embedding %d rows: it belongs to another model", l.Tokenizer.Size(), rows)
	}
	if l.Stops, err = r.source.Inventory().Chat.StopTokens(l.Tokenizer.ID); err != nil {
		return fail("%s", sentences(err))
	}
	if err := l.CheckStops(); err != nil {
		return fail("%s", sentences(err))
	}
	return pass("%d ids in %d rows; an answer ends at %s", l.Tokenizer.Size(), rows, l.Names(l.Stops))
}

// checkTemplate renders a conversation: the template must be there, carry the messages, end each
// turn with a stop token that the model's files name, and open the assistant's turn.
func (r *run) checkTemplate(ctx context.Context) report.Check {
	if r.language.Tokenizer == nil {
		return notRun("the tokenizer did not load")
	}
	template, err := chat.Compile(r.source.Inventory().Chat)
	if err != nil {
		return fail("%s", sentences(err))
	}
	rest, err := language.TurnEnd(ctx, template)
	if err != nil {
		return fail("%s", sentences(err))
	}
	l := &r.language
	l.Template, r.turnEnd = template, rest // what is wrong beyond this does not keep the model from being asked
	r.shows = l.ShowsPictures(ctx, r.source.Inventory().Config.Tower.ImageToken)
	end := l.Tokenizer.Encode(rest)
	if len(end) == 0 || !slices.Contains(l.Stops, end[0]) {
		return fail("after an answer the chat template writes %q, which begins with no stop token (%s): answers will not end", rest, l.Names(l.Stops))
	}
	if err := l.CheckNamed(r.source.Inventory().Chat, end[0]); err != nil {
		return fail("%s", sentences(err))
	}
	if err := language.OpensTurn(ctx, template); err != nil {
		return fail("%s", sentences(err))
	}
	return pass("turns end with %s, which the model's files name", l.Names(end[:1]))
}
