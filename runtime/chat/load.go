package chat

import (
	"errors"
	"fmt"

	"qimport/arch/files"
)

// ErrNoTemplate is wrapped by Compile when the model has no chat template, as base models may.
var ErrNoTemplate = errors.New("no chat template")

// Compile compiles the template of a model's files.
func Compile(c files.Chat) (*Template, error) {
	if c.Template.File == "" {
		return nil, fmt.Errorf("%w: %s is missing and %s has no chat_template", ErrNoTemplate, files.ChatTemplate, files.TokenizerConfig)
	}
	root, err := parse(c.Template.Text)
	if err != nil {
		return nil, fmt.Errorf("chat template in %s: %w", c.Template.File, err)
	}
	constants := map[string]any{}
	for name, token := range map[string]string{"bos_token": c.BOS, "eos_token": c.EOS} {
		if token != "" {
			constants[name] = token
		}
	}
	return &Template{root, constants}, nil
}
