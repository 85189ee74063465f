package recipe

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"qimport/internal/untrusted/yamldoc"
	"qimport/quant"
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
//	  - {rule: "lm_head=int8", optional: true}       # no error where it matches nothing
//	  - {rule: "embed_tokens=keep", only: moe}       # not for dense models
//
// Every key may be left out; an unknown one is an error, as is one given twice.
func Parse(r io.Reader, name string) (Recipe, error) {
	body, err := yamldoc.Read(r, "it", maxRecipe)
	if err != nil {
		return Recipe{}, fmt.Errorf("%w: %s: %w", ErrRecipe, name, err)
	}
	f := recipeFile{name: name}
	if err := f.read(body); err != nil {
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
		rule, err := f.override(item)
		if err != nil {
			return err
		}
		f.recipe.Rules = append(f.recipe.Rules, rule)
	}
	return nil
}

// override reads one: PATTERN=TYPE, or a mapping with that as its rule.
func (f *recipeFile) override(item ast.Node) (rule Rule, err error) {
	entry, ok := item.(ast.MapNode)
	if !ok {
		return f.rule(item)
	}
	values := map[string]ast.Node{}
	for it := entry.MapRange(); it.Next(); {
		key := it.Key().String()
		if values[key] != nil {
			return Rule{}, f.errorAt(it.Key(), "the key %s stands twice", key)
		}
		if !slices.Contains(overrideKeys, key) {
			return Rule{}, f.errorAt(it.Key(), "the key %s is unknown; an override has %s", key, strings.Join(overrideKeys, ", "))
		}
		values[key] = it.Value()
	}
	if values["rule"] == nil {
		return Rule{}, f.errorAt(item, "an override with keys needs the key rule, with PATTERN=TYPE")
	}
	if rule, err = f.rule(values["rule"]); err != nil {
		return Rule{}, err
	}
	if at := values["optional"]; at != nil {
		said, ok := at.(*ast.BoolNode)
		if !ok {
			return Rule{}, f.errorAt(at, "optional is true or false")
		}
		rule.Optional = said.Value
	}
	if at := values["only"]; at != nil {
		text, err := f.scalar(at)
		if err == nil {
			rule.Only, err = parseKind(text)
		}
		if err != nil {
			return Rule{}, f.errorAt(at, "only: %w", err)
		}
	}
	return rule, nil
}

var overrideKeys = []string{"rule", "optional", "only"}

// rule reads PATTERN=TYPE.
func (f *recipeFile) rule(value ast.Node) (Rule, error) {
	text, err := f.scalar(value)
	if err != nil {
		return Rule{}, f.errorAt(value, "%w", err)
	}
	return parseRule(text, fmt.Sprintf("%s line %d", f.name, line(value)))
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
