package report

import "fmt"

// Ollama is a running one, and what it made of the same questions.
type Ollama struct {
	Address string         `json:"address"`
	Version string         `json:"version"`
	Digest  string         `json:"digest"` // of the manifest that the name means there; empty if another
	Answers []OllamaAnswer `json:"answers"`
}

// OllamaAnswer is one of its answers.
type OllamaAnswer struct {
	Prompt   string   `json:"prompt"`
	Results  []string `json:"results,omitempty"` // of tools, in place of a prompt
	Thinking string   `json:"thinking,omitempty"`
	Text     string   `json:"answer"`
	Calls    []Call   `json:"calls,omitempty"` // of tools, which are no part of the text
	Tokens   int      `json:"tokens"`
	Stop     string   `json:"stop"` // stop or length
	Same     bool     `json:"same"` // as ours, but for spaces around it
	// PartsAt is after how many tokens of ours it differs, and Apart by how many nats our model prefers its
	// own next token. Nil where the two are the same or were judged by what was expected.
	PartsAt *int     `json:"parts_at,omitempty"`
	Apart   *float64 `json:"apart,omitempty"`
}

// summary is the line of the report.
func (o *Ollama) summary() string {
	if o.Digest == "" {
		return fmt.Sprintf("Ollama %s at %s was asked nothing", o.Version, o.Address)
	}
	same := 0
	for _, a := range o.Answers {
		if a.Same {
			same++
		}
	}
	return fmt.Sprintf("Ollama %s at %s, manifest %s: %d of %d answers word for word as here", o.Version, o.Address, ShortDigest(o.Digest), same, len(o.Answers))
}
