package chat

import (
	"os"
	"strings"
	"testing"
)

// conversation is n turns of a user and an assistant.
func conversation(n int) []Message {
	var turns []Message
	for range n {
		turns = append(turns, Message{Role: "user", Content: strings.Repeat("What is it? ", 20)},
			Message{Role: "assistant", Content: "<think>\nHm.\n</think>\n\n" + strings.Repeat("It is this. ", 40)})
	}
	return append(turns, Message{Role: "user", Content: "And now?"})
}

func BenchmarkRender(b *testing.B) {
	source, err := os.ReadFile("testdata/hybrid.jinja")
	if err != nil {
		b.Fatal(err)
	}
	for name, turns := range map[string]int{"short": 1, "long": 200} {
		messages := conversation(turns)
		b.Run(name, func(b *testing.B) {
			tmpl, err := Compile(only(string(source)))
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := tmpl.Render(b.Context(), messages, Options{AddGenerationPrompt: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	source, err := os.ReadFile("testdata/hybrid.jinja")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Compile(only(string(source))); err != nil {
			b.Fatal(err)
		}
	}
}
