package language

import (
	"context"
	"fmt"
	"strings"

	"qimport/runtime/chat"
)

// KeepsTurns says whether a template writes several turns: all that is said, once, in its order. end is what
// ends a turn.
func KeepsTurns(ctx context.Context, t *chat.Template, end string) error {
	said := []string{"Be short.", "Where does the ferry leave?", "From the western pier.", "And the night boat?", "From the old harbour.", "When?"}
	roles := []string{"system", "user", "assistant", "user", "assistant", "user"}
	messages := make([]chat.Message, len(said))
	for i, role := range roles {
		messages[i] = chat.Message{Role: role, Content: said[i]}
	}
	text, err := t.Render(ctx, messages, chat.Options{AddGenerationPrompt: true})
	if err != nil {
		return err
	}
	rest := text
	for i, turn := range said {
		before, after, there := strings.Cut(rest, turn)
		switch {
		case strings.Count(text, turn) > 1:
			return fmt.Errorf("of %d turns the chat template writes that of the %s twice (%q)", len(said), roles[i], turn)
		case !there:
			return fmt.Errorf("of %d turns the chat template loses that of the %s (%q), or moves it", len(said), roles[i], turn)
		case i > 0 && !strings.Contains(before, strings.TrimSpace(end)):
			return fmt.Errorf("the chat template does not end the turn of the %s before %q", roles[i-1], turn)
		}
		rest = after
	}
	return nil
}

// Thinking is how a template lets a model think.
type Thinking string

// The ways. Where the template opens a thought, an answer begins inside it.
const (
	NoThinking Thinking = "none"
	Opens      Thinking = "opened by the template"
	Always     Thinking = "always opened by the template"
	Free       Thinking = "opened by the model"
)

// ThinkingOf finds out how a template lets a model think, and whether the thoughts of earlier turns are
// where they belong.
func ThinkingOf(ctx context.Context, t *chat.Template) (Thinking, error) {
	question := []chat.Message{{Role: "user", Content: "Where does the ferry leave?"}}
	on, err := openings(ctx, t, question, true)
	if err != nil {
		return NoThinking, err
	}
	off, err := openings(ctx, t, question, false)
	if err != nil {
		return NoThinking, err
	}
	if err := keepsThoughts(ctx, t); err != nil {
		return NoThinking, err
	}
	switch {
	case open(on) && open(off):
		return Always, nil
	case open(on):
		return Opens, nil
	case open(off):
		return NoThinking, fmt.Errorf("told not to think, the chat template opens a thought: it ends with %q", last(off))
	case on != off:
		return Free, nil
	}
	return NoThinking, nil
}

// openings is a conversation and the opening of an answer.
func openings(ctx context.Context, t *chat.Template, messages []chat.Message, think bool) (string, error) {
	return t.Render(ctx, messages, chat.Options{AddGenerationPrompt: true, EnableThinking: &think})
}

// open says whether a text ends inside a thought.
func open(text string) bool {
	return strings.LastIndex(text, "<think>") > strings.LastIndex(text, "</think>")
}

// last is the end of a text, as much as an error can show.
func last(text string) string {
	const most = 40
	return text[max(0, len(text)-most):]
}

// keepsThoughts looks where thoughts go in the turns that were: between marks, or nowhere.
func keepsThoughts(ctx context.Context, t *chat.Template) error {
	const thought, answer = "The timetable says west.", "From the western pier."
	turns := []chat.Message{{Role: "user", Content: "Where does the ferry leave?"}, {Role: "assistant", Content: answer, ReasoningContent: thought}}
	for _, messages := range [][]chat.Message{turns, append(turns[:2:2], chat.Message{Role: "user", Content: "When?"})} {
		text, err := t.Render(ctx, messages, chat.Options{})
		if err != nil {
			return fmt.Errorf("of a turn with a thought: %w", err)
		}
		before, after, answered := strings.Cut(text, answer)
		if !answered {
			return fmt.Errorf("the chat template loses the answer of a turn with a thought: it made %.80q", text)
		}
		until, _, thinks := strings.Cut(before, thought)
		if strings.Contains(after, thought) || thinks && (!open(until) || open(before)) {
			return fmt.Errorf("the chat template writes a thought outside of <think> and </think>: it made %q", last(before)+answer)
		}
	}
	return nil
}
