package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Message is one turn. Images are files of pictures, which stand before the content.
type Message struct {
	Role     string   `json:"role"`
	Content  string   `json:"content"`
	Thinking string   `json:"thinking,omitempty"`
	Images   [][]byte `json:"images,omitempty"` // base64 in JSON, as the API has it
	Calls    []Call   `json:"tool_calls,omitempty"`
}

// Call is a call of a tool.
type Call struct {
	Function Function `json:"function"`
}

// Function is what is called.
type Function struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"` // a JSON object
}

// Question is what a model is asked for an answer of the likeliest tokens.
type Question struct {
	Model    string
	Messages []Message
	Tools    []json.RawMessage // on offer
	Think    bool
	Tokens   int // most of the answer
}

// Answer is what came back.
type Answer struct {
	Message Message `json:"message"`
	Stop    string  `json:"done_reason"` // stop or length
	Tokens  int     `json:"eval_count"`
	Done    bool    `json:"done"`
}

const (
	// answerPatience is how long an answer may take: the first has to wait for the model to be loaded.
	answerPatience = 10 * time.Minute
	// tokenBytes is more than a token has in JSON, and answerBytes more than what is around an answer.
	tokenBytes  = 1 << 10
	answerBytes = 64 << 10
)

// likeliest switches off all that would make an answer other than the likeliest tokens, also what the model's
// own parameters say.
func likeliest(most int) map[string]any {
	return map[string]any{
		"temperature": 0, "top_k": 1, "top_p": 1, "min_p": 0, "repeat_penalty": 1, "presence_penalty": 0, "frequency_penalty": 0,
		"num_predict": most, "seed": 1, "stop": []string{},
	}
}

// Chat puts a question.
func (p *Peer) Chat(ctx context.Context, q Question) (Answer, error) {
	body := struct {
		Model    string            `json:"model"`
		Messages []Message         `json:"messages"`
		Tools    []json.RawMessage `json:"tools,omitempty"`
		Stream   bool              `json:"stream"`
		Think    *bool             `json:"think,omitempty"`
		Options  map[string]any    `json:"options"`
	}{q.Model, q.Messages, q.Tools, false, nil, likeliest(q.Tokens)}
	thinks, err := p.thinks(ctx, q.Model)
	if err != nil {
		return Answer{}, err
	}
	if thinks { // of others it refuses the word
		body.Think = &q.Think
	}
	var a Answer
	if err := p.ask(ctx, http.MethodPost, "/api/chat", body, &a, bound{answerBytes + tokenBytes*int64(q.Tokens), answerPatience}); err != nil {
		return a, err
	}
	if !a.Done {
		return a, fmt.Errorf("%w: %s/api/chat sends a piece of an answer where all was asked for", ErrPeer, p)
	}
	return a, nil
}

// thinks says whether the model is said to be able to think there.
func (p *Peer) thinks(ctx context.Context, model string) (bool, error) {
	var said struct{ Capabilities []string }
	err := p.ask(ctx, http.MethodPost, "/api/show", map[string]string{"model": model}, &said, about())
	return slices.Contains(said.Capabilities, "thinking"), err
}
