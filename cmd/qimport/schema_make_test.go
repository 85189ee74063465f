package main

import (
	"encoding"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"qimport/verify/report"
)

// node is a part of a schema; its keys come out sorted.
type node map[string]any

// schemaOf is the JSON schema of documents of these types, with the types' comments as descriptions.
func schemaOf(name string, types []any, comments goComments) ([]byte, error) {
	m := maker{defs: node{}, comments: comments}
	var any []node
	for _, t := range types {
		any = append(any, m.node(reflect.TypeOf(t)))
	}
	title := "what qimport " + name + " --json prints"
	switch name {
	case "error":
		title = "what qimport --json writes to stderr where it fails"
	case "costs":
		title = "what qimport tune has measured, in the file OUT.costs.json beside its recipe"
	}
	root := node{"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, "$defs": m.defs}
	if len(any) == 1 {
		root["$ref"] = any[0]["$ref"]
	} else {
		root["anyOf"] = any
	}
	b, err := json.MarshalIndent(root, "", "  ")
	return append(b, '\n'), err
}

type maker struct {
	defs     node
	comments goComments
}

// known are types with a JSON of their own.
var known = map[reflect.Type]node{
	reflect.TypeFor[report.Outcome]():  {"type": []string{"boolean", "null"}},
	reflect.TypeFor[report.Level]():    {"enum": []string{string(report.None), string(report.Blobs), string(report.Smoke), string(report.Quality)}},
	reflect.TypeFor[time.Time]():       {"type": "string", "format": "date-time"},
	reflect.TypeFor[json.RawMessage](): {},
	reflect.TypeFor[json.Number]():     {"type": "number"},
}

// orNull are lists that are null where there was nothing to look at, by type and field; others are empty then.
var orNull = []string{
	"plan.Report.Values",                                                                                     // without --values
	"manifest.Config.ModelFamilies",                                                                          // Ollama's own form
	"qimport.ImportResult.Values", "qimport.ImportResult.Laid", "ollama.Answer.Because", "ollama.Answer.But", // of an import of a batch that failed
}

func (m maker) node(t reflect.Type) node {
	if n, ok := known[t]; ok {
		return n
	}
	if t.Implements(reflect.TypeFor[json.Marshaler]()) {
		panic(fmt.Sprintf("%v writes JSON of its own: name it among known", t))
	}
	if t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) && t.Kind() != reflect.Pointer {
		return node{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return m.node(t.Elem())
	case reflect.String:
		return node{"type": "string"}
	case reflect.Bool:
		return node{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return node{"type": "number"}
	case reflect.Interface:
		return node{}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return node{"type": "string", "contentEncoding": "base64"}
		}
		return node{"type": "array", "items": m.node(t.Elem())}
	case reflect.Map:
		return node{"type": "object", "additionalProperties": m.node(t.Elem())}
	case reflect.Struct:
		return m.object(t)
	}
	return node{"type": "integer"}
}

// object puts a struct among the definitions, and refers to it.
func (m maker) object(t reflect.Type) node {
	name := t.String()
	ref := node{"$ref": "#/$defs/" + name}
	if _, made := m.defs[name]; made {
		return ref
	}
	def := node{"type": "object", "additionalProperties": false}
	m.defs[name] = def // before its fields, which may be of the same type
	if said := m.comments.of(t, ""); said != "" {
		def["description"] = said
	}
	properties, required := node{}, []string{}
	m.fields(t, properties, &required)
	def["properties"] = properties
	if len(required) > 0 {
		slices.Sort(required)
		def["required"] = required
	}
	return ref
}

func (m maker) fields(t reflect.Type, properties node, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case f.Anonymous && name == "":
			m.fields(f.Type, properties, required)
			continue
		case name == "":
			name = f.Name
		}
		n := node{}
		for k, v := range m.node(f.Type) {
			n[k] = v
		}
		if said := m.comments.of(t, f.Name); said != "" {
			n["description"] = said
		}
		omitted := strings.Contains(options, "omit")
		if name == "schema" {
			n = node{"const": 1}
		} else if f.Type.Kind() == reflect.Pointer && !omitted || slices.Contains(orNull, t.String()+"."+f.Name) {
			n = node{"anyOf": []node{n, {"type": "null"}}}
		}
		if properties[name] = n; !omitted {
			*required = append(*required, name)
		}
	}
}

// goComments are what the source says of types and their fields, by folder; read when asked for.
type goComments map[string]map[string]string

// of is the comment of a type, or of a field of it.
func (g goComments) of(t reflect.Type, field string) string {
	path := strings.TrimPrefix(strings.TrimPrefix(t.PkgPath(), "qimport"), "/")
	if t.PkgPath() == "main" {
		path = "cmd/qimport"
	}
	if g[path] == nil {
		g[path] = commentsIn(filepath.Join("../..", path))
	}
	return g[path][strings.TrimSuffix(t.Name()+"."+field, ".")]
}

func commentsIn(dir string) map[string]string {
	all := map[string]string{}
	files, _ := filepath.Glob(filepath.Join(dir, "*.go")) // the pattern is sound
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			panic(err)
		}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.GenDecl); ok && !strings.HasSuffix(name, "_test.go") {
				noteTypes(all, d)
			}
		}
	}
	return all
}

func noteTypes(all map[string]string, d *ast.GenDecl) {
	for _, s := range d.Specs {
		if t, ok := s.(*ast.TypeSpec); ok {
			all[t.Name.Name] = oneLine(d.Doc, t.Doc)
			note(all, t)
		}
	}
}

// note keeps what is said of a struct's fields.
func note(all map[string]string, t *ast.TypeSpec) {
	s, ok := t.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range s.Fields.List {
		for _, name := range f.Names {
			all[t.Name.Name+"."+name.Name] = oneLine(f.Doc, f.Comment)
		}
	}
}

func oneLine(groups ...*ast.CommentGroup) string {
	var said []string
	for _, g := range groups {
		if g != nil {
			said = append(said, strings.Fields(g.Text())...)
		}
	}
	return strings.Join(said, " ")
}
