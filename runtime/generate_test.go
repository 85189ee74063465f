package runtime_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"qimport/runtime"
	"qimport/runtime/chat"
)

func ask(question string) runtime.GenerateOptions {
	think := false
	return runtime.GenerateOptions{
		Messages:  []chat.Message{{Role: "user", Content: question}},
		Chat:      chat.Options{EnableThinking: &think},
		MaxTokens: 100,
	}
}

func TestGenerate(t *testing.T) {
	m := small(t, runtime.Options{})
	const question, answer = "What is 20+10?", "The result of 20 + 10 is 30."
	for _, tt := range []struct {
		name   string
		edit   func(*runtime.GenerateOptions)
		text   string
		reason runtime.StopReason
	}{
		{"whole", func(*runtime.GenerateOptions) {}, answer, runtime.StopEOS},
		{"three tokens", func(o *runtime.GenerateOptions) { o.MaxTokens = 3 }, "The result of", runtime.StopLength},
		{"no limit", func(o *runtime.GenerateOptions) { o.MaxTokens = 0 }, answer, runtime.StopEOS},
		{"stop string", func(o *runtime.GenerateOptions) { o.Stop = []string{"10 is", "never"} }, "The result of 20 + ", runtime.StopText},
		{"stop string that never comes whole", func(o *runtime.GenerateOptions) { o.Stop = []string{"30.!"} }, answer, runtime.StopEOS},
		{"cold", func(o *runtime.GenerateOptions) { o.Sampling = runtime.Sampling{Temperature: 0.01, Seed: 1} }, answer, runtime.StopEOS},
		{"as a prompt", func(o *runtime.GenerateOptions) {
			o.Messages = nil
			o.Prompt = "<|im_start|>user\n" + question + "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
		}, answer, runtime.StopEOS},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := ask(question)
			tt.edit(&o)
			var pieces []string
			got, err := m.Generate(t.Context(), o, func(p string) { pieces = append(pieces, p) })
			if err != nil {
				t.Fatal(err)
			}
			if got.Text != tt.text || got.Stop != tt.reason || strings.Join(pieces, "") != got.Text {
				t.Errorf("got %q (%s) in %q, want %q (%s)", got.Text, got.Stop, pieces, tt.text, tt.reason)
			}
			if got.Prefill.Tokens != len(got.Prompt) || got.Prefill.Seconds <= 0 || got.Decode.Seconds <= 0 {
				t.Errorf("prefill %+v, decode %+v", got.Prefill, got.Decode)
			}
		})
	}
}

// TestHot draws nearly evenly from all tokens: no piece may be half a character, and no token may
// be padding, which begins at the tokenizer's size.
func TestHot(t *testing.T) {
	m := small(t, runtime.Options{})
	for seed := range uint64(5) {
		o := ask("Hi")
		o.Sampling = runtime.Sampling{Temperature: 50, Seed: seed}
		got, err := m.Generate(t.Context(), o, func(p string) {
			if !utf8.ValidString(p) {
				t.Errorf("piece %q is not whole characters", p)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if top := slices.Max(got.Tokens); top >= m.Tokenizer.Size() {
			t.Errorf("token %d is padding", top)
		}
	}
}

func TestGenerateRefuses(t *testing.T) {
	m := small(t, runtime.Options{})
	for name, o := range map[string]runtime.GenerateOptions{
		"neither messages nor a prompt": {},
		"top-p":                         {Prompt: "x", Sampling: runtime.Sampling{TopP: 2}},
		"context too long":              {Tokens: make([]int, 4096)},
	} {
		if _, err := m.Generate(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestInterrupt returns what there was until then.
func TestInterrupt(t *testing.T) {
	m := small(t, runtime.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	got, err := m.Generate(ctx, ask("What is 20+10?"), func(string) { cancel() })
	if !errors.Is(err, context.Canceled) || got.Text != "The" || got.Stop != runtime.StopInterrupted {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestConversation goes on from what was read before, and answers as if it had not been.
func TestConversation(t *testing.T) {
	m := small(t, runtime.Options{})
	c := m.NewConversation()
	defer c.Close()
	var history []chat.Message
	before := 0 // tokens of the last prompt
	for i, question := range []string{"What is 20+10?", "What is the capital of Spain?", "What is 3*6?"} {
		history = append(history, chat.Message{Role: "user", Content: question})
		o := ask(question)
		o.Messages = history
		got, err := c.Generate(t.Context(), o, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := m.Generate(t.Context(), o, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.Text != want.Text || !slices.Equal(got.Tokens, want.Tokens) {
			t.Errorf("turn %d: got %q, want %q", i, got.Text, want.Text)
		}
		const opening = 12 // tokens, at most, that open an answer; past answers are rendered without some
		if all := len(got.Prompt); got.Prefill.Tokens > all-before+opening {
			t.Errorf("turn %d read %d of %d tokens, though %d were read before", i, got.Prefill.Tokens, all, before)
		}
		before = len(got.Prompt)
		history = append(history, chat.Message{Role: "assistant", Content: got.Text})
	}
}
