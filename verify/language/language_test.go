package language

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/arch/files"
)

// folder is a checkpoint's files, with some replaced.
type folder map[string]string

func (f folder) File(name string) ([]byte, error) {
	if text, ok := f[name]; ok {
		return []byte(text), nil
	}
	return os.ReadFile(filepath.Join("../../testdata/qwen3.5-bf16", name))
}

// chatOf is what the files say of a conversation.
func chatOf(t *testing.T, model files.Set) files.Chat {
	t.Helper()
	said, err := files.Read(model)
	if err != nil {
		t.Fatal(err)
	}
	return said
}

func read(t *testing.T, model files.Set) Language {
	t.Helper()
	l, err := Read(model, chatOf(t, model))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// The built-in text is long enough to be measured on, and ends as a turn ends.
func TestDialogue(t *testing.T) {
	l := read(t, folder{})
	text, err := l.Dialogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	end, err := TurnEnd(t.Context(), l.Template)
	if err != nil || !strings.HasSuffix(text, end) {
		t.Errorf("it ends with %q, a turn with %q, %v", text[len(text)-20:], end, err)
	}
	if ids, err := l.Encode("the text", text, 0); err != nil || len(ids) != DefaultTokens {
		t.Errorf("%d tokens, %v", len(ids), err)
	}
	if _, err := l.Encode("short.txt", "Hello.", 0); err == nil || !strings.HasPrefix(err.Error(), "short.txt has ") {
		t.Errorf("a short text: %v", err)
	}
}

func TestTemplatesAtFault(t *testing.T) {
	const say = `{%- for m in messages %}{{ m.content }}<|im_end|>{% endfor %}`
	for template, want := range map[string]string{
		`{{ messages[0].content }}`: "loses a message",
		say:                         "does not open",
	} {
		l := read(t, folder{"chat_template.jinja": template})
		_, err := TurnEnd(t.Context(), l.Template)
		if err == nil {
			err = OpensTurn(t.Context(), l.Template)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", template, err)
		}
	}
	l := read(t, folder{"chat_template.jinja": say + `{% if add_generation_prompt %}<|im_start|>{% endif %}`})
	if err := OpensTurn(t.Context(), l.Template); err != nil {
		t.Error(err)
	}
}

// A stop token is a special one that the tokenizer has, and that a file names.
func TestStops(t *testing.T) {
	l := read(t, folder{})
	end, ok := l.Tokenizer.ID("<|im_end|>")
	if !ok {
		t.Fatal("the vocabulary has no <|im_end|>")
	}
	l.Stops = []int{end}
	if err := l.CheckStops(); err != nil {
		t.Error(err)
	}
	l.Stops = []int{end, 500, l.Tokenizer.Size()}
	if err := l.CheckStops(); err == nil || !strings.Contains(err.Error(), "stop token 500 is") || !strings.Contains(err.Error(), "past the tokenizer") {
		t.Errorf("of an ordinary token and one that is none: %v", err)
	}
	if err := l.CheckNamed(chatOf(t, folder{}), end); err != nil {
		t.Error(err)
	}
	nameless := folder{"generation_config.json": "{}", "config.json": "{}", "tokenizer_config.json": "{}"}
	if err := l.CheckNamed(chatOf(t, nameless), end); err == nil || !strings.Contains(err.Error(), "<|im_end|>") {
		t.Errorf("no file names it: %v", err)
	}
	if marks := l.Control(false); marks[end] == "" {
		t.Error("<|im_end|> is no control token")
	}
}
