package language

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"qimport/runtime/chat"
)

// TurnEnd is what a template writes after an answer, found between what was put in: templates give no
// other way to ask. One that loses a message is an error.
func TurnEnd(ctx context.Context, t *chat.Template) (string, error) {
	const question, answer = "Where does the ferry leave?", "From the western pier."
	text, err := t.Render(ctx, []chat.Message{{Role: "user", Content: question}, {Role: "assistant", Content: answer}}, chat.Options{})
	if err != nil {
		return "", err
	}
	_, turns, asked := strings.Cut(text, question)
	_, end, answered := strings.Cut(turns, answer)
	if !asked || !answered {
		return "", fmt.Errorf("the chat template loses a message: it made %.80q", text)
	}
	return end, nil
}

// OpensTurn says whether the template adds something for the model to go on from.
func OpensTurn(ctx context.Context, t *chat.Template) error {
	question := []chat.Message{{Role: "user", Content: "Where does the ferry leave?"}}
	closed, err := t.Render(ctx, question, chat.Options{})
	if err != nil {
		return err
	}
	opened, err := t.Render(ctx, question, chat.Options{AddGenerationPrompt: true})
	if err == nil && len(opened) <= len(closed) {
		err = fmt.Errorf("the chat template does not open the assistant's turn: with and without it makes %.80q", opened)
	}
	return err
}

// ShowsPictures says whether the template writes that token in the place of a picture. One that was made for
// text alone passes pictures over, or does not render.
func (l *Language) ShowsPictures(ctx context.Context, token int) bool {
	text, err := l.Template.Render(ctx, []chat.Message{{Role: "user", Content: "What is it?", Pictures: [][]byte{nil}}}, chat.Options{AddGenerationPrompt: true})
	return err == nil && slices.Contains(l.Tokenizer.Encode(text), token)
}
