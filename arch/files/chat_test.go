package files

import (
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// memory is a model's files in memory.
type memory map[string]string

func (m memory) File(name string) ([]byte, error) {
	text, ok := m[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return []byte(text), nil
}

func TestTemplatePrecedence(t *testing.T) {
	const list = `{"chat_template": [{"name":"tool_use","template":"t"},{"name":"default","template":"d"}]}`
	for _, c := range []struct {
		name  string
		files memory
		want  Template
	}{
		{"the file wins", memory{ChatTemplate: "file", TokenizerConfig: `{"chat_template": "key"}`, ProcessorTemplate: `{"chat_template": "old"}`}, Template{"file", ChatTemplate}},
		{"the file wins over a list", memory{ChatTemplate: "file", TokenizerConfig: list}, Template{"file", ChatTemplate}},
		{"the file wins, empty as it is", memory{ChatTemplate: "", TokenizerConfig: `{"chat_template": "key"}`}, Template{"", ChatTemplate}},
		{"string", memory{TokenizerConfig: `{"chat_template": "key"}`, ProcessorTemplate: `{"chat_template": "old"}`}, Template{"key", TokenizerConfig}},
		{"list", memory{TokenizerConfig: list}, Template{"d", TokenizerConfig}},
		{"list without a default", memory{TokenizerConfig: `{"chat_template": [{"name":"rag","template":"t"}]}`}, Template{}},
		{"null", memory{TokenizerConfig: `{"chat_template": null}`}, Template{}},
		{"empty", memory{TokenizerConfig: `{"chat_template": ""}`}, Template{}},
		{"of a processor", memory{TokenizerConfig: `{"chat_template": null}`, ProcessorTemplate: `{"chat_template": "old"}`}, Template{"old", ProcessorTemplate}},
		{"a broken file that does not count", memory{ChatTemplate: "file", TokenizerConfig: `{"chat_template": 7}`, ProcessorTemplate: `{`}, Template{"file", ChatTemplate}},
		{"nothing", memory{}, Template{}},
	} {
		got, err := Read(c.files)
		if err != nil || got.Template != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got.Template, err, c.want)
		}
	}
}

func TestTokens(t *testing.T) {
	for config, want := range map[string][2]string{
		`{"bos_token": null, "eos_token": "<e>"}`:                                   {"", "<e>"},
		`{"bos_token": {"content": "<b>"}, "eos_token": {"content": "<e>", "x":1}}`: {"<b>", "<e>"},
		`{}`: {"", ""},
	} {
		got, err := Read(memory{TokenizerConfig: config})
		if err != nil || got.BOS != want[0] || got.EOS != want[1] {
			t.Errorf("%s: %q %q, %v", config, got.BOS, got.EOS, err)
		}
	}
}

func TestReadNamesTheFault(t *testing.T) {
	for _, c := range []struct {
		file, content string
		says          string
	}{
		{TokenizerConfig, `{`, "unexpected end"},
		{TokenizerConfig, `null`, "null is no object"},
		{TokenizerConfig, `[]`, "it is a list, where an object is due"},
		{TokenizerConfig, `{"chat_template": 7}`, "chat_template is 7"},
		{TokenizerConfig, `{"chat_template": {"default": "d"}}`, "chat_template is {"},
		{TokenizerConfig, `{"chat_template": [7]}`, "chat_template is [7]"},
		{TokenizerConfig, `{"bos_token": 7}`, "bos_token is 7"},
		{TokenizerConfig, `{"eos_token": {"id": 7}}`, `eos_token is {"id": 7}`},
		{ProcessorTemplate, `{"chat_template": 7}`, "chat_template is 7"},
		{GenerationConfig, `{"eos_token_id": 10`, "unexpected end"},
		{GenerationConfig, `{"eos_token_id": "x"}`, `eos_token_id is "x"`},
		{GenerationConfig, `{"eos_token_id": [1, null, "x"]}`, "eos_token_id is [1"},
		{GenerationConfig, `{"eos_token_id": [1, null]}`, "eos_token_id is [1, null]"},
		{Config, `{"eos_token_id": 1.5}`, "eos_token_id is 1.5"},
		{Config, `{"text_config": []}`, "text_config is []"},
		{Config, `{"text_config": {"eos_token_id": true}}`, "text_config: eos_token_id is true"},
		{ChatTemplate, strings.Repeat("x", maxBytes+1), "more than"},
		{Config, strings.Repeat(" ", maxBytes+1), "more than"},
	} {
		_, err := Read(memory{c.file: c.content})
		if !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), c.file) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %.60s: says %v, want %q", c.file, c.content, err, c.says)
		}
	}
}

func TestReadTellsEveryFault(t *testing.T) {
	_, err := Read(memory{TokenizerConfig: `{"eos_token": 7}`, GenerationConfig: `{`, Config: `{"eos_token_id": "x"}`})
	for _, file := range []string{TokenizerConfig, GenerationConfig, Config} {
		if err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%v does not tell of %s", err, file)
		}
	}
	unreadable := errors.New("input/output error")
	if _, err := Read(failing{unreadable}); !errors.Is(err, unreadable) || errors.Is(err, ErrBroken) {
		t.Errorf("a file that cannot be read: %v", err)
	}
}

// failing is files that cannot be read.
type failing struct{ err error }

func (f failing) File(string) ([]byte, error) { return nil, f.err }

func TestStopTokens(t *testing.T) {
	vocabulary := map[string]int{"<|im_end|>": 46, "<|endoftext|>": 44, "</s>": 2, "": 9}
	id := func(text string) (int, bool) { i, ok := vocabulary[text]; return i, ok }
	none := func(string) (int, bool) { return 0, false }
	for _, c := range []struct {
		name        string
		files       memory
		id          func(string) (int, bool)
		named, want []int
	}{
		{"all disagree", memory{
			GenerationConfig: `{"eos_token_id": [5, 44]}`,
			Config:           `{"eos_token_id": 7, "text_config": {"eos_token_id": 6}}`,
			TokenizerConfig:  `{"eos_token": "</s>"}`,
		}, id, []int{5, 44, 7, 6, 2}, []int{2, 5, 6, 7, 44, 46}},
		{"nulls", memory{Config: `{"eos_token_id": null, "text_config": {"eos_token_id": [3]}}`}, none, []int{3}, []int{3}},
		{"no text", memory{Config: `{"eos_token_id": 4, "text_config": null}`}, none, []int{4}, []int{4}},
		{"id zero counts", memory{Config: `{"eos_token_id": 0}`}, none, []int{0}, []int{0}},
		{"only the vocabulary", memory{}, id, nil, []int{44, 46}},
	} {
		chat, err := Read(c.files)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := chat.Named(c.id); !slices.Equal(got, c.named) {
			t.Errorf("%s: the files name %v, want %v", c.name, got, c.named)
		}
		if got, err := chat.StopTokens(c.id); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
	if _, err := (Chat{}).StopTokens(none); !errors.Is(err, ErrNoStop) {
		t.Errorf("nothing anywhere: %v", err)
	}
}

// TestReadAgain: nothing of a conversation is lost that Read returns.
func TestReadAgain(t *testing.T) {
	want := Chat{Template{"{{ x }}\n", TokenizerConfig}, "<b>", "<e>", []int{7, 0}, Sampling{Temperature: new(0.6), TopK: new(20)}}
	if got, err := Read(written(t, want)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}
