package chat

import (
	"errors"
	"strings"
	"testing"

	"qimport/arch/files"
)

func TestCompile(t *testing.T) {
	for _, c := range []struct {
		name string
		chat files.Chat
		want string
		err  error
	}{
		{"nothing", files.Chat{}, "", ErrNoTemplate},
		{"an empty file", files.Chat{Template: files.Template{File: files.ChatTemplate}}, "", nil},
		{"one token", files.Chat{Template: files.Template{Text: "{{ bos_token }}|{{ eos_token }}", File: files.TokenizerConfig}, EOS: "<e>"}, "|<e>", nil},
		{"both tokens", files.Chat{Template: files.Template{Text: "{{ bos_token }}|{{ eos_token }}", File: files.TokenizerConfig}, BOS: "<b>", EOS: "<e>"}, "<b>|<e>", nil},
	} {
		tmpl, err := Compile(c.chat)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.err)
		}
		if err != nil {
			continue
		}
		if got, err := tmpl.Render(t.Context(), nil, Options{}); err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

func TestCompileNamesTheFile(t *testing.T) {
	for _, template := range []files.Template{
		{Text: "a\n{% if x %}", File: files.ChatTemplate},
		{Text: "{{ }", File: files.TokenizerConfig},
	} {
		if _, err := Compile(files.Chat{Template: template}); err == nil || !strings.Contains(err.Error(), template.File) {
			t.Errorf("%+v: got %v", template, err)
		}
	}
}
