package report

import (
	"encoding/json"
	"strings"
)

// Template says what the chat template can do, as far as it was tried.
type Template struct {
	Turns    bool   `json:"turns"`    // several of them
	Thinking string `json:"thinking"` // "none", or who opens a thought; "" where it was not found out
	Tools    string `json:"tools"`    // the form of a call, "xml" or "json", with the tool's answer; "none"; ""
}

// Call is a call of a tool that an answer makes.
type Call struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

// What spells the call out.
func (c Call) What() string { return c.Name + "(" + string(c.Arguments) + ")" }

// Said is the answer without what was read out of it.
func (a Answer) Said() string {
	if a.Thought == "" && len(a.Calls) == 0 {
		return a.Text
	}
	return a.Content
}

// What says it in words: "several turns, thinking (opened by the template), tools (calls as xml)".
func (t *Template) What() string {
	var all []string
	say := func(has bool, yes, no string) {
		if !has {
			yes = no
		}
		all = append(all, yes)
	}
	say(t.Turns, "several turns", "NO several turns")
	switch t.Thinking {
	case "", "none":
		say(t.Thinking == "none", "no thinking", "thinking not found out")
	default:
		all = append(all, "thinking ("+t.Thinking+")")
	}
	switch t.Tools {
	case "", "none":
		say(t.Tools == "none", "no tools", "tools not found out")
	default:
		all = append(all, "tools (calls as "+t.Tools+")")
	}
	return strings.Join(all, ", ")
}
