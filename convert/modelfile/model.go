package modelfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"text/template/parse"

	"qimport/convert/ollama"
)

// Model is what a Modelfile says of a model, as far as an import can do it. What it does not say is nil or
// zero; a text that it says to be empty is one that the model shall not have.
type Model struct {
	From       Path
	Adapters   []Path
	Template   *string
	System     *string
	Licenses   []string
	Parser     string
	Renderer   string
	Requires   string
	Parameters Parameters
	Messages   []Message
}

// Path is a path or a name, and the line that has it.
type Path struct {
	Path string
	Line int
}

// Message is a turn that every conversation begins with, as Ollama keeps it.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Parameters are by name, as Ollama's runner takes them.
type Parameters map[string]json.RawMessage

// Read reads a Modelfile's bytes. What it says that cannot be done is an error with its line.
func Read(b []byte) (Model, error) {
	commands, err := Parse(b)
	if err != nil {
		return Model{}, err
	}
	m := Model{}
	for _, c := range commands {
		if err := m.take(c); err != nil {
			return Model{}, err
		}
	}
	return m, nil
}

// take adds a command. As with Ollama, of a command that is given twice the later one counts, but for
// LICENSE, MESSAGE and ADAPTER, and for the parameter stop.
func (m *Model) take(c Command) error {
	var err error
	switch c.Name {
	case "from":
		if m.From.Line > 0 {
			return Refuse(c.Line, "a second FROM: a model is made of one checkpoint")
		}
		m.From = Path{c.Args, c.Line}
	case "adapter":
		m.Adapters = append(m.Adapters, Path{c.Args, c.Line})
	case "template":
		m.Template, err = &c.Args, CheckTemplate(c.Args)
	case "system":
		m.System = &c.Args
	case "license":
		m.Licenses = append(m.Licenses, c.Args)
	case "parser":
		m.Parser, err = c.Args, ollama.CheckParser(c.Args)
	case "renderer":
		m.Renderer, err = c.Args, ollama.CheckRenderer(c.Args)
	case "requires":
		var version ollama.Version
		version, err = ollama.ParseRequires(c.Args)
		m.Requires = string(version)
	case "parameter":
		err = m.Set(c.Key, c.Args)
	case "message":
		m.Messages = append(m.Messages, Message{c.Key, c.Args})
	case "draft":
		err = errors.New("DRAFT: there is no draft model that both Ollama and qimport could run beside a Qwen3.x; a multi-token-prediction head is kept by --mtp keep")
	}
	if err != nil {
		return Refuse(c.Line, "%v", err)
	}
	return nil
}

// Set adds a parameter as a user writes it: stop to those that are there, of others the later one counts.
func (m *Model) Set(name, value string) error {
	v, err := ollama.ParseParameter(name, value)
	if err != nil {
		return err
	}
	if text, isText := v.(string); isText {
		var list []string
		if m.Parameters[name] != nil {
			if err := json.Unmarshal(m.Parameters[name], &list); err != nil {
				return err
			}
		}
		v = append(list, text)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if m.Parameters == nil {
		m.Parameters = Parameters{}
	}
	m.Parameters[name] = b
	return nil
}

// Over is what m says, and beneath it, where m says nothing, what another does.
func (m Model) Over(beneath Model) Model {
	if m.From.Line == 0 {
		m.From = beneath.From
	}
	m.Adapters = append(beneath.Adapters, m.Adapters...)
	if m.Template == nil {
		m.Template = beneath.Template
	}
	if m.System == nil {
		m.System = beneath.System
	}
	if m.Licenses == nil {
		m.Licenses = beneath.Licenses
	}
	for _, text := range []struct{ mine, other *string }{{&m.Parser, &beneath.Parser}, {&m.Renderer, &beneath.Renderer}, {&m.Requires, &beneath.Requires}} {
		if *text.mine == "" {
			*text.mine = *text.other
		}
	}
	m.Parameters = m.Parameters.Over(beneath.Parameters)
	if m.Messages == nil {
		m.Messages = beneath.Messages
	}
	return m
}

// Over are p, and of others those that p does not set.
func (p Parameters) Over(beneath Parameters) Parameters {
	if len(beneath) == 0 {
		return p
	}
	all := maps.Clone(beneath)
	maps.Copy(all, p)
	return all
}

// maxTemplate bounds a TEMPLATE, which is parsed by a recursion as deep as it is nested, in bytes.
const maxTemplate = 256 << 10

// CheckTemplate says whether a TEMPLATE is one of Go's that calls what Ollama has. One that is not keeps
// Ollama from opening the model.
func CheckTemplate(text string) error {
	if len(text) > maxTemplate {
		return fmt.Errorf("TEMPLATE: it has more than %d bytes", maxTemplate)
	}
	_, err := parse.Parse("TEMPLATE", text, "", "", functions("json", "currentDate", "yesterdayDate", "toTypeScriptType"),
		functions("and", "call", "html", "index", "slice", "js", "len", "not", "or", "print", "printf", "println", "urlquery", "eq", "ge", "gt", "le", "lt", "ne"))
	return err
}

func functions(names ...string) map[string]any {
	known := map[string]any{}
	for _, name := range names {
		known[name] = true
	}
	return known
}
