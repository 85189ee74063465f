package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
)

// Files are a model's small files by name: chat_template.jinja, tokenizer_config.json and so on.
// A file that is not there is an error that wraps fs.ErrNotExist.
type Files interface {
	File(name string) ([]byte, error)
}

// ErrNoTemplate is wrapped by Load when the model has no chat template, as base models may.
var ErrNoTemplate = errors.New("no chat template")

// Load finds and compiles the model's template: the file chat_template.jinja, else the key
// chat_template of tokenizer_config.json, which is a string or a list with one called "default".
func Load(files Files) (*Template, error) {
	var c tokenizerConfig
	if err := readJSON(files, "tokenizer_config.json", &c); err != nil {
		return nil, err
	}
	source, where, err := templateSource(files, c)
	if err != nil {
		return nil, err
	}
	compiled, err := compile(source)
	if err != nil {
		return nil, fmt.Errorf("chat template in %s: %w", where, err)
	}
	constants := map[string]any{}
	for name, t := range map[string]specialToken{"bos_token": c.BOS, "eos_token": c.EOS} {
		if t != "" {
			constants[name] = string(t)
		}
	}
	return &Template{compiled, constants}, nil
}

// templateSource returns the template's text and the file it came from.
func templateSource(files Files, c tokenizerConfig) (source, where string, err error) {
	const file, key = "chat_template.jinja", "tokenizer_config.json"
	data, err := files.File(file)
	if err == nil {
		return string(data), file, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", "", err
	}
	if c.ChatTemplate == "" {
		return "", "", fmt.Errorf("%w: %s is missing and %s has no chat_template", ErrNoTemplate, file, key)
	}
	return string(c.ChatTemplate), key, nil
}

// tokenizerConfig is tokenizer_config.json, as far as it concerns prompts and answers.
type tokenizerConfig struct {
	ChatTemplate templateText `json:"chat_template"`
	BOS          specialToken `json:"bos_token"`
	EOS          specialToken `json:"eos_token"`
}

// templateText is a template: a string, or the default of a list of {name, template}.
type templateText string

// UnmarshalJSON reads either form.
func (t *templateText) UnmarshalJSON(data []byte) error {
	if data[0] != '[' {
		return json.Unmarshal(data, (*string)(t))
	}
	var list []struct{ Name, Template string }
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	for _, entry := range list {
		if entry.Name == "default" {
			*t = templateText(entry.Template)
		}
	}
	return nil
}

// specialToken is a token's text: a string, or an object with the key content.
type specialToken string

// UnmarshalJSON reads either form; null is the empty token.
func (t *specialToken) UnmarshalJSON(data []byte) error {
	if data[0] != '{' {
		return json.Unmarshal(data, (*string)(t))
	}
	var entry struct{ Content string }
	err := json.Unmarshal(data, &entry)
	*t = specialToken(entry.Content)
	return err
}

// readJSON decodes a file into v and leaves v alone where there is no such file.
func readJSON(files Files, name string, v any) error {
	data, err := files.File(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
