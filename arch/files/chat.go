package files

import (
	"errors"
	"slices"
)

// Chat is what a model's files say of a conversation.
type Chat struct {
	Template Template
	BOS, EOS string // bos_token and eos_token of tokenizer_config.json; "" where it has none
	// Ends is eos_token_id of generation_config.json, then of config.json, then of its text_config.
	Ends []int
	// Sampling is how answers are meant to be drawn, by generation_config.json.
	Sampling Sampling
}

// Template is a chat template and the file that it is from.
type Template struct {
	Text string
	File string // "" if the model has no template, as base models may
}

// EndOfTurn ends a message in the chat format of all families.
const EndOfTurn = "<|im_end|>"

// usualStops end a turn and a document in every model of these families. They count wherever the
// vocabulary has them, because published configs often name only one.
func usualStops() []string { return []string{EndOfTurn, "<|endoftext|>"} }

// ErrNoStop is returned by StopTokens when nothing names a token that ends an answer.
var ErrNoStop = errors.New("no stop token: " + GenerationConfig + ", " + Config + " and " + TokenizerConfig + " name none")

// Read reads what the files say of a conversation. The template is the one that a tokenizer of
// transformers takes: ChatTemplate, else chat_template of TokenizerConfig, which is a string or a
// list with one called "default". Where neither has one, it is that of ProcessorTemplate, which only
// processors read. What is in a file that does not count is not looked at; no other fault is passed
// over, and each is ErrBroken with file and key.
func Read(s Set) (Chat, error) {
	r := reader{set: s}
	tokenizer, generation, config := r.object(TokenizerConfig), r.object(GenerationConfig), r.object(Config)
	c := Chat{
		Template: r.template(tokenizer),
		BOS:      tokenizer.token("bos_token"),
		EOS:      tokenizer.token("eos_token"),
		Sampling: generation.sampling(),
	}
	for _, o := range []object{generation, config, config.object("text_config")} {
		c.Ends = append(c.Ends, o.ids("eos_token_id")...)
	}
	if err := errors.Join(r.errs...); err != nil {
		return Chat{}, err
	}
	return c, nil
}

func (r *reader) template(tokenizer object) Template {
	if b, there := r.file(ChatTemplate); there {
		return Template{string(b), ChatTemplate}
	}
	if text := tokenizer.template("chat_template"); text != "" {
		return Template{text, TokenizerConfig}
	}
	if text := r.object(ProcessorTemplate).template("chat_template"); text != "" {
		return Template{text, ProcessorTemplate}
	}
	return Template{}
}

// Named are the ids that the files name as an end of an answer: Ends, and that of EOS. id looks a
// token's id up by its text.
func (c Chat) Named(id func(text string) (int, bool)) []int {
	named := slices.Clone(c.Ends)
	if i, ok := id(c.EOS); ok && c.EOS != "" {
		named = append(named, i)
	}
	return named
}

// StopTokens returns the ids that end an answer, sorted: all that are Named, and the usual ones of
// these families. The files disagree in released models, and a stop token too few never stops.
func (c Chat) StopTokens(id func(text string) (int, bool)) ([]int, error) {
	stops := c.Named(id)
	for _, text := range usualStops() {
		if i, ok := id(text); ok {
			stops = append(stops, i)
		}
	}
	if len(stops) == 0 {
		return nil, ErrNoStop
	}
	slices.Sort(stops)
	return slices.Compact(stops), nil
}
