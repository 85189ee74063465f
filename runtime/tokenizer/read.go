package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	jsoniter "github.com/json-iterator/go"
)

// ErrUnsupported is wrapped by every refusal of a well-formed tokenizer.json that asks for
// something other than byte-level BPE as the Qwen family has it.
var ErrUnsupported = errors.New("unsupported tokenizer")

// ErrBadFile is wrapped by every refusal of a tokenizer.json that is broken in itself.
var ErrBadFile = errors.New("broken tokenizer.json")

// file is tokenizer.json, as far as it decides ids and text. The post-processor is left out:
// prompts are encoded without special tokens, so it has no say.
type file struct {
	added        []addedToken
	normalizer   *component
	preTokenizer *component
	decoder      *component
	model        model
}

// component is one normalizer, pre-tokenizer or decoder: the union of the keys that matter.
type component struct {
	Type           string      `json:"type"`
	Normalizers    []component `json:"normalizers"`
	PreTokenizers  []component `json:"pretokenizers"`
	Pattern        pattern     `json:"pattern"`
	Behavior       string      `json:"behavior"`
	Invert         bool        `json:"invert"`
	AddPrefixSpace bool        `json:"add_prefix_space"`
	UseRegex       *bool       `json:"use_regex"` // absent means true
}

// pattern is what a Split splits on: a regular expression or a literal string.
type pattern struct {
	Regex  *string `json:"Regex"`
	String *string `json:"String"`
}

// model is the "model" object: the vocabulary and the merges in order of rank.
type model struct {
	options modelOptions
	vocab   map[string]int32
	merges  [][2]string
}

// modelOptions are the small keys of "model".
type modelOptions struct {
	Type                    string   `json:"type"`
	Dropout                 *float64 `json:"dropout"`
	UnkToken                *string  `json:"unk_token"`
	ContinuingSubwordPrefix *string  `json:"continuing_subword_prefix"`
	EndOfWordSuffix         *string  `json:"end_of_word_suffix"`
	ByteFallback            bool     `json:"byte_fallback"`
	IgnoreMerges            bool     `json:"ignore_merges"`
}

// readFile parses tokenizer.json in one pass. Vocabulary and merges, which are nearly all of its
// bytes, are streamed: decoding them by reflection takes six times as long.
func readFile(data []byte) (file, error) {
	var f file
	it := jsoniter.ParseBytes(jsoniter.ConfigDefault, data)
	if it.WhatIsNext() != jsoniter.ObjectValue {
		return f, fmt.Errorf("%w: it is not a JSON object", ErrBadFile)
	}
	it.ReadMapCB(func(it *jsoniter.Iterator, key string) bool {
		switch key {
		case "added_tokens":
			small(it, key, &f.added)
		case "normalizer":
			small(it, key, &f.normalizer)
		case "pre_tokenizer":
			small(it, key, &f.preTokenizer)
		case "decoder":
			small(it, key, &f.decoder)
		case "model":
			readModel(it, &f.model)
		default:
			it.Skip()
		}
		return it.Error == nil
	})
	if it.Error != nil {
		return f, fmt.Errorf("%w: %w", ErrBadFile, it.Error)
	}
	return f, nil
}

// small decodes a value that is not worth streaming.
func small(it *jsoniter.Iterator, key string, into any) {
	b := it.SkipAndReturnBytes()
	if it.Error != nil {
		return
	}
	if err := json.Unmarshal(b, into); err != nil {
		it.ReportError(key, err.Error())
	}
}

// readModel reads the "model" object. Its small keys are gathered back into one object, so that
// they are decoded like every other small value.
func readModel(it *jsoniter.Iterator, m *model) {
	rest := map[string]json.RawMessage{}
	it.ReadMapCB(func(it *jsoniter.Iterator, key string) bool {
		switch key {
		case "vocab":
			m.vocab = readVocab(it)
		case "merges":
			m.merges = readMerges(it)
		default:
			rest[key] = it.SkipAndReturnBytes()
		}
		return it.Error == nil
	})
	if it.Error != nil {
		return
	}
	b, err := json.Marshal(rest)
	if err == nil {
		err = json.Unmarshal(b, &m.options)
	}
	if err != nil {
		it.ReportError("model", err.Error())
	}
}

// readVocab reads {"token": id, …}. Other model types have a list here, which build refuses by
// the type, so it is skipped.
func readVocab(it *jsoniter.Iterator) map[string]int32 {
	if it.WhatIsNext() != jsoniter.ObjectValue {
		it.Skip()
		return nil
	}
	vocab := map[string]int32{}
	it.ReadMapCB(func(it *jsoniter.Iterator, token string) bool {
		if _, twice := vocab[token]; twice {
			it.ReportError("vocab", fmt.Sprintf("token %q is there twice", token))
			return false
		}
		if len(vocab) == maxIDs {
			it.ReportError("vocab", fmt.Sprintf("more than %d tokens", maxIDs))
			return false
		}
		vocab[token] = it.ReadInt32()
		return it.Error == nil
	})
	return vocab
}

// readMerges reads merges as pairs ["l", "r"] or, in older files, as strings "l r".
func readMerges(it *jsoniter.Iterator) [][2]string {
	var merges [][2]string
	it.ReadArrayCB(func(it *jsoniter.Iterator) bool {
		m, ok := readMerge(it)
		if it.Error == nil && !ok {
			it.ReportError("merges", fmt.Sprintf("merge %d is not two tokens", len(merges)))
		}
		if it.Error == nil && len(merges) == maxMerges {
			it.ReportError("merges", fmt.Sprintf("more than %d", maxMerges))
		}
		merges = append(merges, m)
		return it.Error == nil
	})
	return merges
}

// readMerge reads one merge and reports whether it named exactly two tokens.
func readMerge(it *jsoniter.Iterator) (merge [2]string, ok bool) {
	if it.WhatIsNext() == jsoniter.StringValue {
		merge[0], merge[1], ok = strings.Cut(it.ReadString(), " ")
		return merge, ok && !strings.Contains(merge[1], " ")
	}
	n := 0
	it.ReadArrayCB(func(it *jsoniter.Iterator) bool {
		token := it.ReadString()
		if n < len(merge) {
			merge[n] = token
		}
		n++
		return it.Error == nil
	})
	return merge, n == len(merge)
}
