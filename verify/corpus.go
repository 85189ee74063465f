package verify

// Text is something for a model to read.
type Text struct {
	Name string // of its file, for errors
	Text string
}

// readTexts are the token ids of the texts.
func (r *run) readTexts() (texts, error) {
	if r.texts == nil {
		read, err := r.encodeTexts(r.language)
		if err != nil {
			return nil, err
		}
		r.texts = r.fit(read)
	}
	return r.texts, nil
}

// encodeTexts reads the texts as a language does: the caller's, or the built-in one in its chat form.
func (o Options) encodeTexts(l language) (texts, error) {
	given := o.Texts
	if len(given) == 0 {
		text, err := l.dialogue()
		if err != nil {
			return nil, err
		}
		given = []Text{{Name: "the text", Text: text}}
	}
	read := make(texts, len(given))
	for i, text := range given {
		ids, err := l.encode(text.Name, text.Text, o.TextTokens)
		if err != nil {
			return nil, err
		}
		read[i] = ids
	}
	return read, nil
}

// fit cuts each text to the model's context.
func (r *run) fit(read texts) texts {
	fitting := make(texts, len(read))
	for i, ids := range read {
		fitting[i] = ids[:min(len(ids), max(r.context(), minTextTokens))]
	}
	return fitting
}
