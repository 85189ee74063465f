package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// vocabulary is what of tokenizer.json says whether it belongs to a model.
type vocabulary struct {
	ids     map[string]int
	largest int    // id
	last    string // its content
}

// endOfTurn ends a message in the chat format of all families here.
const endOfTurn = "<|im_end|>"

// checkTokenizer refuses a tokenizer with ids past the embedding, or without the token that ends a
// turn. A source without tokenizer.json is only noted: its tensors can be imported, not run.
func (s *Source) checkTokenizer() error {
	b, err := s.file("tokenizer.json")
	if errors.Is(err, fs.ErrNotExist) {
		s.inv.note("there is no tokenizer.json: the model cannot be run")
		return nil
	}
	if err != nil {
		return err
	}
	v, err := parseVocabulary(b)
	if err != nil {
		return fmt.Errorf("tokenizer.json: %w", err)
	}
	if rows := s.inv.Config.VocabSize; v.largest >= rows {
		return fmt.Errorf("tokenizer.json: token %q has id %d, but the embedding has %d rows: it is another model's tokenizer", v.last, v.largest, rows)
	}
	return s.checkEnds(v)
}

// parseVocabulary reads model.vocab and added_tokens.
func parseVocabulary(b []byte) (vocabulary, error) {
	var file struct {
		Model struct {
			Vocab map[string]int `json:"vocab"`
		} `json:"model"`
		AddedTokens []struct {
			ID      int    `json:"id"`
			Content string `json:"content"`
		} `json:"added_tokens"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return vocabulary{}, err
	}
	v := vocabulary{ids: file.Model.Vocab, largest: -1}
	if len(v.ids) == 0 {
		return vocabulary{}, errors.New("it has no vocabulary")
	}
	for _, t := range file.AddedTokens {
		v.ids[t.Content] = t.ID
	}
	for content, id := range v.ids {
		if id < 0 {
			return vocabulary{}, fmt.Errorf("token %q has id %d", content, id)
		}
		if id > v.largest || id == v.largest && content < v.last {
			v.largest, v.last = id, content
		}
	}
	return v, nil
}

// checkEnds holds the tokens that the other files name as the end of a turn to the vocabulary.
func (s *Source) checkEnds(v vocabulary) error {
	eos, template := s.tokenizerConfig()
	if b, err := s.file(ChatTemplate); err == nil {
		template = string(b)
	}
	if _, ok := v.ids[eos]; eos != "" && !ok {
		return fmt.Errorf("tokenizer.json: the vocabulary has no %q, which tokenizer_config.json names as the end of a text", eos)
	}
	if _, ok := v.ids[endOfTurn]; strings.Contains(template, endOfTurn) && !ok {
		return fmt.Errorf("tokenizer.json: the vocabulary has no %q, with which the chat template ends a turn", endOfTurn)
	}
	return s.checkEndIDs(v)
}

// tokenizerConfig reads eos_token, a string or an object with its content, and chat_template; ""
// where the file does not say.
func (s *Source) tokenizerConfig() (eos, template string) {
	b, err := s.file("tokenizer_config.json")
	if err != nil {
		return "", ""
	}
	o, err := parseObject(b)
	if err != nil {
		return "", ""
	}
	eos = o.str("eos_token")
	if inner, err := parseObject(o["eos_token"]); err == nil {
		eos = inner.str("content")
	}
	return eos, o.str("chat_template")
}

// checkEndIDs wants one at least of the eos_token_ids of the configs to be a token's.
func (s *Source) checkEndIDs(v vocabulary) error {
	known := map[int]bool{}
	for _, id := range v.ids {
		known[id] = true
	}
	ids := s.endIDs()
	for _, id := range ids {
		if known[id] {
			return nil
		}
	}
	if len(ids) > 0 {
		return fmt.Errorf("tokenizer.json: the vocabulary has none of the ids %v, which the configs name as eos_token_id", ids)
	}
	return nil
}

// endIDs collects eos_token_id, a number or a list, from wherever it may be.
func (s *Source) endIDs() []int {
	var ids []int
	for _, name := range []string{"generation_config.json", "config.json"} {
		b, err := s.file(name)
		if err != nil {
			continue
		}
		top, err := parseObject(b)
		if err != nil {
			continue
		}
		text, _ := parseObject(top["text_config"]) // nil where there is none
		for _, o := range []object{top, text} {
			var one int
			var list []int
			if o.has("eos_token_id") && json.Unmarshal(o["eos_token_id"], &one) == nil {
				ids = append(ids, one)
			} else if o.has("eos_token_id") && json.Unmarshal(o["eos_token_id"], &list) == nil {
				ids = append(ids, list...)
			}
		}
	}
	return ids
}
