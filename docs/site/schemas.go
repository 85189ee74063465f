package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed schemas.html
var schemasFrame string

// schema is as much of JSON Schema as the files in schema/ use.
type schema struct {
	Title, Description   string
	Type                 kinds             `json:"type"`
	Ref                  string            `json:"$ref"`
	Defs                 map[string]schema `json:"$defs"`
	AnyOf                []schema          `json:"anyOf"`
	Items                *schema           `json:"items"`
	Properties           map[string]schema `json:"properties"`
	Required             []string          `json:"required"`
	Const                any               `json:"const"`
	Enum                 []any             `json:"enum"`
	AdditionalProperties json.RawMessage   `json:"additionalProperties"`
}

// kinds are the names that "type" has: one, or a list.
type kinds []string

// UnmarshalJSON reads either.
func (k *kinds) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*k = kinds{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(k))
}

// document is a schema's file on the page, with the types that it begins with.
type document struct {
	File, Title string
	Type        template.HTML
}

// shape is a type of the schemas: what it is, and its keys.
type shape struct {
	Name, ID, Description string
	Fields                []field
}

type field struct {
	Key         string
	Type        template.HTML
	Always      bool
	Description string
}

// schemas is the page of all schemas: the documents, and the types that they are made of, each once.
func (s *site) schemas(p page) ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(s.root, p.file, "*.json"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no schemas: %v", err)
	}
	var documents []document
	types := map[string]schema{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		var d schema
		if err := json.Unmarshal(b, &d); err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		maps.Copy(types, d.Defs)
		documents = append(documents, document{filepath.Base(f), d.Title, s.words(p, d)})
	}
	var shapes []shape
	for _, name := range slices.Sorted(maps.Keys(types)) {
		s.anchors[p.out][anchor(name)] = true
		shapes = append(shapes, s.shape(p, name, types[name]))
	}
	t, err := template.New("schemas").Parse(schemasFrame)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, map[string]any{"Documents": documents, "Shapes": shapes})
	return b.Bytes(), err
}

func (s *site) shape(p page, name string, t schema) shape {
	made := shape{Name: name, ID: anchor(name), Description: t.Description}
	for _, key := range slices.Sorted(maps.Keys(t.Properties)) {
		v := t.Properties[key]
		made.Fields = append(made.Fields, field{key, s.words(p, v), slices.Contains(t.Required, key), described(v)})
	}
	return made
}

// described is what a schema says of itself, or one of those that it may be.
func described(t schema) string {
	for _, one := range t.AnyOf {
		if t.Description == "" {
			t.Description = one.Description
		}
	}
	return t.Description
}

func anchor(name string) string { return strings.ToLower(strings.ReplaceAll(name, ".", "-")) }

// words say what a value is, with links to the types that have a table.
func (s *site) words(p page, t schema) template.HTML {
	escape := func(text string) template.HTML { return template.HTML(template.HTMLEscapeString(text)) }
	switch {
	case t.Ref != "":
		name := strings.TrimPrefix(t.Ref, "#/$defs/")
		s.links = append(s.links, link{p.out, p.out, anchor(name)})
		return template.HTML(`<a href="#`) + escape(anchor(name)) + `">` + escape(name) + "</a>"
	case len(t.AnyOf) > 0:
		var all []string
		for _, one := range t.AnyOf {
			all = append(all, string(s.words(p, one)))
		}
		return template.HTML(strings.Join(all, " or "))
	case t.Const != nil:
		return escape(fmt.Sprint(t.Const))
	case len(t.Enum) > 0:
		return escape(strings.Trim(fmt.Sprint(t.Enum), "[]"))
	case t.Items != nil:
		return "list of " + s.words(p, *t.Items)
	case slices.Equal(t.Type, kinds{"object"}):
		var values schema
		if json.Unmarshal(t.AdditionalProperties, &values) == nil {
			return "object, of any key to " + s.words(p, values)
		}
	case len(t.Type) == 0:
		return "anything"
	}
	return escape(strings.Join(t.Type, " or "))
}
