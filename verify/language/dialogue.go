package language

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"

	"qimport/runtime/chat"
)

// dialogueFile is read when the caller has no text of his own.
//
//go:embed dialogue.yaml
var dialogueFile []byte

// DefaultTokens bounds what is read of a text, and with it the file of scores: 512 positions of a
// 248,320-token vocabulary take 0.5 GB. MinTokens is the shortest text that a mean over positions
// makes sense for.
const (
	DefaultTokens = 512
	MinTokens     = 32
)

// Encode is the ids that a text begins with, most of them at most; 0 means 512.
func (l *Language) Encode(name, text string, most int) ([]int, error) {
	if most == 0 {
		most = DefaultTokens
	}
	ids := l.Tokenizer.Encode(text)
	if len(ids) < MinTokens {
		return nil, fmt.Errorf("%s has %d tokens, fewer than %d say nothing", name, len(ids), MinTokens)
	}
	return ids[:min(len(ids), most)], nil
}

// Dialogue is the built-in text in the model's chat form.
func (l *Language) Dialogue(ctx context.Context) (string, error) {
	return l.Conversations(ctx, dialogueFile)
}

// Conversations is a file of questions and answers of ours (YAML) in the model's chat form: each question
// as the template opens an answer to it, without thinking, then the answer and the end of the turn.
func (l *Language) Conversations(ctx context.Context, file []byte) (string, error) {
	if l.Template == nil {
		return "", chat.ErrNoTemplate
	}
	var turns []struct{ Prompt, Answer string }
	if err := yaml.Unmarshal(file, &turns); err != nil {
		return "", fmt.Errorf("built-in dialogue: %w", err)
	}
	var text strings.Builder
	think := false
	for _, turn := range turns {
		opened, err := l.Template.Render(ctx, []chat.Message{{Role: "user", Content: turn.Prompt}},
			chat.Options{AddGenerationPrompt: true, EnableThinking: &think})
		if err != nil {
			return "", err
		}
		end, err := TurnEnd(ctx, l.Template)
		if err != nil {
			return "", err
		}
		text.WriteString(opened + turn.Answer + end)
	}
	return text.String(), nil
}
