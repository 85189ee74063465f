package chat

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestLoadPrecedence(t *testing.T) {
	const config = "tokenizer_config.json"
	for _, c := range []struct {
		name  string
		files memory
		want  string
		err   error
	}{
		{"the file wins", memory{"chat_template.jinja": "file", config: `{"chat_template": "key"}`}, "file", nil},
		{"string", memory{config: `{"chat_template": "key"}`}, "key", nil},
		{"list", memory{config: `{"chat_template": [{"name":"tool_use","template":"t"},{"name":"default","template":"d"}]}`}, "d", nil},
		{"list without a default", memory{config: `{"chat_template": [{"name":"rag","template":"t"}]}`}, "", ErrNoTemplate},
		{"null", memory{config: `{"chat_template": null}`}, "", ErrNoTemplate},
		{"nothing", memory{}, "", ErrNoTemplate},
		{"tokens as strings", memory{config: `{"chat_template": "{{ bos_token }}|{{ eos_token }}", "bos_token": null, "eos_token": "<e>"}`}, "|<e>", nil},
		{"tokens as objects", memory{config: `{"chat_template": "{{ bos_token }}|{{ eos_token }}", "bos_token": {"content": "<b>"}, "eos_token": {"content": "<e>"}}`}, "<b>|<e>", nil},
	} {
		tmpl, err := Load(c.files)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.err)
		}
		if err != nil {
			continue
		}
		if got, err := tmpl.Render(nil, Options{}); err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

func TestLoadNamesTheFault(t *testing.T) {
	for _, c := range []struct {
		files memory
		says  string
	}{
		{memory{"chat_template.jinja": "a\n{% if x %}"}, "chat_template.jinja"},
		{memory{"tokenizer_config.json": `{"chat_template": "{{ }"}`}, "tokenizer_config.json"},
		{memory{"tokenizer_config.json": `{`}, "tokenizer_config.json"},
	} {
		if _, err := Load(c.files); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: got %v", c.files, err)
		}
	}
}

func TestStopTokens(t *testing.T) {
	vocabulary := map[string]int{"<|im_end|>": 46, "<|endoftext|>": 44, "</s>": 2}
	id := func(content string) (int, bool) { i, ok := vocabulary[content]; return i, ok }
	none := func(string) (int, bool) { return 0, false }
	for _, c := range []struct {
		name  string
		files memory
		id    func(string) (int, bool)
		want  []int
	}{
		{"all disagree", memory{
			"generation_config.json": `{"eos_token_id": [5, 44]}`,
			"config.json":            `{"eos_token_id": 7, "text_config": {"eos_token_id": 6}}`,
			"tokenizer_config.json":  `{"eos_token": "</s>"}`,
		}, id, []int{2, 5, 6, 7, 44, 46}},
		{"nulls", memory{"config.json": `{"eos_token_id": null, "text_config": {"eos_token_id": [3]}}`}, none, []int{3}},
		{"id zero counts", memory{"config.json": `{"eos_token_id": 0}`}, none, []int{0}},
		{"only the vocabulary", memory{}, id, []int{44, 46}},
	} {
		got, err := StopTokens(c.files, c.id)
		if err != nil || len(got) != len(c.want) {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
				break
			}
		}
	}
	if named, err := NamedStops(memory{"tokenizer_config.json": `{"eos_token": "</s>"}`}, id); err != nil || !slices.Equal(named, []int{2}) {
		t.Errorf("named alone: %v, %v; the usual ones were not named", named, err)
	}
	if _, err := StopTokens(memory{}, none); !errors.Is(err, ErrNoStop) {
		t.Errorf("nothing anywhere: %v", err)
	}
	if _, err := StopTokens(memory{"config.json": `{"eos_token_id": "x"}`}, id); err == nil || !strings.Contains(err.Error(), "config.json") {
		t.Errorf("a string for an id: %v", err)
	}
}
