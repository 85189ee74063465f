package verify

import (
	"context"

	"qimport/verify/language"
	"qimport/verify/score"
)

// Text is something for a model to read.
type Text struct {
	Name string // of its file, for errors
	Text string
}

// readTexts are the token ids of the texts.
func (r *run) readTexts(ctx context.Context) (score.Texts, error) {
	if r.texts == nil {
		read, err := r.encodeTexts(ctx, r.language)
		if err != nil {
			return nil, err
		}
		r.texts = r.fit(read)
	}
	return r.texts, nil
}

// encodeTexts reads the texts as a language does: the caller's, or the built-in one in its chat form.
func (o Options) encodeTexts(ctx context.Context, l language.Language) (score.Texts, error) {
	given := o.Texts
	if len(given) == 0 {
		text, err := l.Dialogue(ctx)
		if err != nil {
			return nil, err
		}
		given = []Text{{Name: "the text", Text: text}}
	}
	read := make(score.Texts, len(given))
	for i, text := range given {
		ids, err := l.Encode(text.Name, text.Text, o.TextTokens)
		if err != nil {
			return nil, err
		}
		read[i] = ids
	}
	return read, nil
}

// fit cuts each text to the model's context.
func (r *run) fit(read score.Texts) score.Texts {
	fitting := make(score.Texts, len(read))
	for i, ids := range read {
		fitting[i] = ids[:min(len(ids), max(r.context(), language.MinTokens))]
	}
	return fitting
}
