package runtime

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"qimport/runtime/chat"
	"qimport/runtime/picture"
)

// imagePad is the token that stands in a prompt's text once for each picture, and in the sequence once for
// each of its tokens.
const imagePad = "<|image_pad|>"

// prompt is a request as it is read.
type prompt struct {
	ids      []int
	shared   int // how many of them will begin the next request too: all but the opening of the answer
	pictures []placed
}

// prompt is the tokens of a request. Pictures that are not known from before have not been looked at by the
// tower yet.
func (m *Model) prompt(ctx context.Context, o GenerateOptions, known album) (prompt, error) {
	switch {
	case o.Tokens != nil:
		return prompt{ids: o.Tokens, shared: len(o.Tokens)}, nil
	case o.Prompt != "":
		ids := m.Tokenizer.Encode(o.Prompt)
		return prompt{ids: ids, shared: len(ids)}, nil
	case len(o.Messages) == 0:
		return prompt{}, errors.New("neither messages nor a prompt to answer")
	case m.Template == nil:
		return prompt{}, chat.ErrNoTemplate
	}
	o.Chat.AddGenerationPrompt = true
	text, err := m.Template.Render(ctx, o.Messages, o.Chat)
	if err != nil {
		return prompt{}, err
	}
	o.Chat.AddGenerationPrompt = false
	history, err := m.Template.Render(ctx, o.Messages, o.Chat)
	if err != nil {
		return prompt{}, err
	}
	ids := m.Tokenizer.Encode(text)
	shared := commonPrefix(ids, m.Tokenizer.Encode(history))
	pictures, err := m.prepareAll(ctx, o.Messages, known)
	if err != nil || len(pictures) == 0 {
		return prompt{ids: ids, shared: shared}, err
	}
	return m.expand(ids, shared, pictures)
}

func commonPrefix(a, b []int) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// hasPictures says whether a request shows any.
func (o GenerateOptions) hasPictures() bool {
	return slices.ContainsFunc(o.Messages, func(m chat.Message) bool { return len(m.Pictures) > 0 })
}

// prepareAll decodes the pictures of all messages, each file once and none that is known. More than there
// are positions for are refused before they take memory.
func (m *Model) prepareAll(ctx context.Context, messages []chat.Message, known album) (all []*seen, err error) {
	tokens, here := 0, album{}
	for _, message := range messages {
		for _, file := range message.Pictures {
			digest := sha256.Sum256(file)
			p := cmp.Or(here[digest], known[digest])
			if p == nil {
				p, err = m.prepare(file, digest)
			}
			if err == nil {
				err = ctx.Err()
			}
			if errors.Is(err, picture.ErrPicture) {
				return nil, fmt.Errorf("picture %d: %w", len(all)+1, err)
			}
			if err != nil {
				return nil, err
			}
			if tokens += p.tokens(); tokens > m.Config.MaxPositions {
				return nil, fmt.Errorf("%w: %d pictures take %d tokens; the model has %d positions", ErrContext, len(all)+1, tokens, m.Config.MaxPositions)
			}
			here[digest] = p
			all = append(all, p)
		}
	}
	return all, nil
}

// expand gives every picture its tokens, in the place of the one that stands for it.
func (m *Model) expand(ids []int, shared int, pictures []*seen) (prompt, error) {
	var p prompt
	pads := 0
	for i, id := range ids {
		if i == shared {
			p.shared = len(p.ids)
		}
		if id != m.Config.Tower.ImageToken {
			p.ids = append(p.ids, id)
			continue
		}
		if pads++; pads > len(pictures) {
			continue
		}
		next := placed{len(p.ids), pictures[pads-1]}
		p.pictures = append(p.pictures, next)
		for range next.tokens() {
			p.ids = append(p.ids, id)
		}
	}
	if shared >= len(ids) {
		p.shared = len(p.ids)
	}
	if pads != len(pictures) {
		return p, fmt.Errorf("the prompt has %d places for a picture (%s), and %d are given: the chat template does not show pictures, or a message has that token in its text",
			pads, imagePad, len(pictures))
	}
	return p, nil
}
