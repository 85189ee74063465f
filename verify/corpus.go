package verify

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"

	"qimport/runtime/chat"
	"qimport/runtime/tokenizer"
)

// dialogueFile is read when the caller has no text of his own.
//
//go:embed dialogue.yaml
var dialogueFile []byte

// defaultTextTokens bounds what is read of a text, and with it the file of scores: 512 positions of
// a 248,320-token vocabulary take 0.5 GB. minTextTokens is the shortest text that a mean over
// positions makes sense for.
const (
	defaultTextTokens = 512
	minTextTokens     = 32
)

// readText is the ids that a text begins with, most of them at most; 0 means defaultTextTokens.
func readText(text Text, most int, t *tokenizer.Tokenizer) ([]int, error) {
	if most == 0 {
		most = defaultTextTokens
	}
	ids := t.Encode(text.Text)
	if len(ids) < minTextTokens {
		return nil, fmt.Errorf("%s has %d tokens, fewer than %d say nothing", text.Name, len(ids), minTextTokens)
	}
	return ids[:min(len(ids), most)], nil
}

// dialogue is the built-in text in a model's chat form: each question as the template opens an
// answer to it, without thinking, then the answer and the end of the turn.
func dialogue(t *chat.Template) (string, error) {
	var turns []struct{ Prompt, Answer string }
	if err := yaml.Unmarshal(dialogueFile, &turns); err != nil {
		return "", fmt.Errorf("built-in dialogue: %w", err)
	}
	var text strings.Builder
	think := false
	for _, turn := range turns {
		opened, err := t.Render([]chat.Message{{Role: "user", Content: turn.Prompt}},
			chat.Options{AddGenerationPrompt: true, EnableThinking: &think})
		if err != nil {
			return "", err
		}
		end, err := turnEnd(t)
		if err != nil {
			return "", err
		}
		text.WriteString(opened + turn.Answer + end)
	}
	return text.String(), nil
}

// turnEnd is what a template writes after an answer. A template that loses a message is an error.
func turnEnd(t *chat.Template) (string, error) {
	const question, answer = "Where does the ferry leave?", "From the western pier."
	text, err := t.Render([]chat.Message{{Role: "user", Content: question}, {Role: "assistant", Content: answer}}, chat.Options{})
	if err != nil {
		return "", err
	}
	_, turns, asked := strings.Cut(text, question)
	_, end, answered := strings.Cut(turns, answer)
	if !asked || !answered {
		return "", fmt.Errorf("the chat template loses a message: it made %q", clip(text))
	}
	return end, nil
}
