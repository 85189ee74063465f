package source

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"qimport/arch/files"
	"qimport/internal/untrusted"
)

// vocabulary is what of tokenizer.json says whether it belongs to a model. The runtime has a reader
// of its own: it wants merges and splits too, and refuses the kinds that it cannot run, which may be
// imported all the same. This one asks for ids alone.
type vocabulary struct {
	ids     map[string]int
	largest int    // id
	last    string // its content
}

// checkTokenizer refuses a tokenizer with ids past the embedding, or without the token that ends a
// turn. A source without tokenizer.json is only noted: its tensors can be imported, not run.
func (s *Source) checkTokenizer() error {
	b, err := s.file(files.Tokenizer)
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
	return v.checkEnds(s.inv.Chat)
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
	if err := untrusted.Unmarshal(b, &file); err != nil {
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

// checkEnds holds the tokens that the files name as an end to the vocabulary. Of their ids one at
// least must be a token's.
func (v vocabulary) checkEnds(c files.Chat) error {
	if _, ok := v.ids[c.EOS]; c.EOS != "" && !ok {
		return fmt.Errorf("tokenizer.json: the vocabulary has no %q, which tokenizer_config.json names as the end of a text", c.EOS)
	}
	if _, ok := v.ids[files.EndOfTurn]; strings.Contains(c.Template.Text, files.EndOfTurn) && !ok {
		return fmt.Errorf("tokenizer.json: the vocabulary has no %q, with which the chat template ends a turn", files.EndOfTurn)
	}
	if len(c.Ends) == 0 {
		return nil
	}
	for _, id := range v.ids {
		if slices.Contains(c.Ends, id) {
			return nil
		}
	}
	return fmt.Errorf("tokenizer.json: the vocabulary has none of the ids %v, which the configs name as eos_token_id", c.Ends)
}
