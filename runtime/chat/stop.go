package chat

import (
	"encoding/json"
	"errors"
	"slices"
)

// ErrNoStop is returned by StopTokens when nothing names a token that ends an answer.
var ErrNoStop = errors.New("no stop token: generation_config.json, config.json and tokenizer_config.json name none")

// usualStops end a turn and a document in every model of this family. They count wherever the
// vocabulary has them, because published configs often name only one.
func usualStops() []string { return []string{"<|im_end|>", "<|endoftext|>"} }

// StopTokens returns the ids that end an answer, sorted: those that the model's files name, and the
// usual ones. The files disagree in released models, and a stop token too few never stops.
// id looks a token's id up by its text.
func StopTokens(files Files, id func(content string) (int, bool)) ([]int, error) {
	stops, err := NamedStops(files, id)
	if err != nil {
		return nil, err
	}
	for _, content := range usualStops() {
		if i, ok := id(content); ok {
			stops = append(stops, i)
		}
	}
	if len(stops) == 0 {
		return nil, ErrNoStop
	}
	slices.Sort(stops)
	return slices.Compact(stops), nil
}

// NamedStops are the ids that the model's files name as an end, and so all that other programs stop
// at: the union of eos_token_id in generation_config.json, config.json and its text_config, and the
// tokenizer's eos_token.
func NamedStops(files Files, id func(content string) (int, bool)) ([]int, error) {
	var generation, config struct {
		EOS  idList `json:"eos_token_id"`
		Text struct {
			EOS idList `json:"eos_token_id"`
		} `json:"text_config"`
	}
	var tokenizer tokenizerConfig
	err := errors.Join(
		readJSON(files, "generation_config.json", &generation),
		readJSON(files, "config.json", &config),
		readJSON(files, "tokenizer_config.json", &tokenizer))
	if err != nil {
		return nil, err
	}
	stops := slices.Concat(generation.EOS, config.EOS, config.Text.EOS)
	if i, ok := id(string(tokenizer.EOS)); ok {
		stops = append(stops, i)
	}
	return stops, nil
}

// idList is one id or a list of them; null is none.
type idList []int

// UnmarshalJSON reads any of the forms.
func (l *idList) UnmarshalJSON(data []byte) error {
	if data[0] == '[' || string(data) == "null" {
		return json.Unmarshal(data, (*[]int)(l))
	}
	var one int
	err := json.Unmarshal(data, &one)
	*l = idList{one}
	return err
}
