package recipe

import (
	"fmt"
	"io"

	"qimport/internal/bounded"
	"qimport/quant"

	"github.com/goccy/go-yaml/ast"
)

// maxRecipe bounds a recipe file; each of its lines is a rule that every tensor is held against.
const maxRecipe = 1 << 20

// ParseRecipe reads a recipe file, whose name is for its errors and for the origin of its rules:
//
//	policy: ollama            # or uniform, keep
//	type: nvfp4               # what the policy gives out
//	overrides:                # PATTERN=TYPE, later ones win
//	  - "**.down_proj=mxfp8"
//	  - "**.layers.{0..3}.self_attn.*=bf16"
//
// Every key may be left out; an unknown one is an error, as is one given twice.
func Parse(r io.Reader, name string) (Recipe, error) {
	document, err := bounded.YAML(r, maxRecipe)
	if err != nil {
		return Recipe{}, fmt.Errorf("%w: %s: %w", ErrRecipe, name, err)
	}
	f := recipeFile{name: name}
	if err := f.read(document); err != nil {
		return Recipe{}, err
	}
	return f.recipe, nil
}

// recipeFile is a recipe while it is read.
type recipeFile struct {
	name   string
	recipe Recipe
}

// read takes the keys of the document; an empty document is an empty recipe.
func (f *recipeFile) read(body ast.Node) error {
	if body == nil || body.Type() == ast.NullType || body.Type() == ast.CommentType {
		return nil
	}
	m, ok := body.(ast.MapNode)
	if !ok {
		return f.errorAt(body, "a recipe is a mapping with the keys policy, type and overrides")
	}
	seen := map[string]bool{}
	for it := m.MapRange(); it.Next(); {
		key := it.Key().String()
		if seen[key] {
			return f.errorAt(it.Key(), "the key %s stands twice", key)
		}
		seen[key] = true
		if err := f.readKey(key, it.Key(), it.Value()); err != nil {
			return err
		}
	}
	return nil
}

func (f *recipeFile) readKey(key string, at, value ast.Node) (err error) {
	switch key {
	case "policy":
		var text string
		if text, err = f.scalar(value); err == nil {
			f.recipe.Policy, err = ParsePolicy(text)
		}
	case "type":
		var text string
		if text, err = f.scalar(value); err == nil {
			f.recipe.Type, err = quant.ParseFormat(text)
		}
	case "overrides":
		return f.readOverrides(value)
	default:
		return f.errorAt(at, "the key %s is unknown; known are policy, type, overrides", key)
	}
	if err != nil {
		return f.errorAt(value, "%w", err)
	}
	return nil
}

func (f *recipeFile) readOverrides(value ast.Node) error {
	if value.Type() == ast.NullType {
		return nil
	}
	list, ok := value.(*ast.SequenceNode)
	if !ok {
		return f.errorAt(value, "overrides is a list of PATTERN=TYPE")
	}
	for _, item := range list.Values {
		text, err := f.scalar(item)
		if err != nil {
			return f.errorAt(item, "%w", err)
		}
		rule, err := parseRule(text, fmt.Sprintf("%s line %d", f.name, line(item)))
		if err != nil {
			return err
		}
		f.recipe.Rules = append(f.recipe.Rules, rule)
	}
	return nil
}

// scalar is the text of a plain or quoted value.
func (f *recipeFile) scalar(value ast.Node) (string, error) {
	s, ok := value.(*ast.StringNode)
	if !ok {
		return "", fmt.Errorf("%s is not text; put it in quotation marks", value)
	}
	return s.Value, nil
}

// errorAt is an error that says where in the file it lies.
func (f *recipeFile) errorAt(at ast.Node, format string, args ...any) error {
	return fmt.Errorf("%w: %s line %d: %w", ErrRecipe, f.name, line(at), fmt.Errorf(format, args...))
}

// line is the line a node stands on, counted from 1.
func line(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 1
}
