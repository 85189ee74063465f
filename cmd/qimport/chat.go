package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"qimport/internal/spelling"
	"qimport/runtime"
	"qimport/runtime/chat"
)

// chatHelp is what /help says.
const chatHelp = `/clear  forget what was said
/image FILE  show a picture with the next message
/help   this
/bye    end the conversation; so does ctrl-D
"""     begins a text of several lines, and ends it
Up and down bring back what was typed before. Ctrl-C begins the line anew;
while an answer is written it ends the program.`

// chatCommands are the words that are no message.
var chatCommands = []string{"/clear", "/image", "/help", "/bye"}

// converse answers message after message, remembering what was said. pictures stand before the first.
func (c call) converse(ctx context.Context, name string, model *runtime.Model, o runtime.GenerateOptions, pictures [][]byte) error {
	conversation := model.NewConversation()
	defer func() { conversation.Close() }()
	lines := newLines(ctx, c.stdio)
	defer lines.Close()
	c.note("%s. /help lists the commands, /bye ends.", name)
	first := o.Messages
	for {
		message, err := readMessage(lines)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch word := strings.TrimSpace(message); {
		case word == "":
			continue
		case word == "/bye" || word == "/exit" || word == "/quit":
			return nil
		case word == "/help" || word == "/?":
			fprintln(c.err, "%s", chatHelp)
			continue
		case word == "/clear":
			conversation.Close()
			conversation, o.Messages = model.NewConversation(), first
			c.note("forgotten")
			continue
		case word == "/image" || strings.HasPrefix(word, "/image "):
			shown, err := readPictures([]string{strings.TrimSpace(strings.TrimPrefix(word, "/image"))})
			if err != nil {
				fprintln(c.err, "%v", err)
				continue
			}
			pictures = append(pictures, shown...)
			c.note("shown with the next message")
			continue
		case isCommand(word):
			fprintln(c.err, "there is no command %s%s; /help lists them", word, spelling.DidYouMean(word, chatCommands))
			continue
		}
		o.Messages = append(o.Messages[:len(o.Messages):len(o.Messages)], chat.Message{Role: "user", Content: message, Pictures: pictures})
		pictures = nil
		a, err := conversation.Generate(ctx, o, func(piece string) { fmt.Fprint(c.out, piece) })
		fmt.Fprintln(c.out)
		if errors.Is(err, runtime.ErrContext) {
			return fmt.Errorf("the conversation has outgrown the model: %w", err)
		}
		if err != nil {
			return err
		}
		c.note("%s", rates(a))
		o.Messages = append(o.Messages, chat.Message{Role: "assistant", Content: a.Text})
	}
}

// isCommand says whether a message is one word of letters after a slash, which no path and no text is.
func isCommand(word string) bool {
	rest, ok := strings.CutPrefix(word, "/")
	return ok && rest != "" && strings.Trim(strings.ToLower(rest), "abcdefghijklmnopqrstuvwxyz") == ""
}

// fence stands before and after a message of several lines.
const fence = `"""`

// maxMessage bounds a message of several lines, in bytes.
const maxMessage = maxPrompt

// readMessage reads a line, or the lines between two fences.
func readMessage(lines lineReader) (string, error) {
	line, err := lines.Line("> ")
	if err != nil {
		return "", err
	}
	text, fenced := strings.CutPrefix(line, fence)
	if !fenced {
		return line, nil
	}
	for {
		if inner, ended := strings.CutSuffix(text, fence); ended {
			return inner, nil
		}
		if len(text) > maxMessage {
			return "", fmt.Errorf("the message has more than %d bytes", maxMessage)
		}
		if line, err = lines.Line("... "); err != nil {
			return "", err
		}
		text += "\n" + line
	}
}
