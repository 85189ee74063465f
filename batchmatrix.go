package qimport

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml/ast"

	"qimport/internal/untrusted/yamldoc"
)

// axis is one dimension of a matrix: the values of a key, or named sets of keys.
type axis struct {
	name   string
	values []axisValue
}

// axisValue is what an entry gets: keys with their values, and a word for them in templates.
type axisValue struct {
	word string
	keys ast.Node
}

// readMatrix reads the axes of a matrix: each a list, of values of the key that the axis is called by, or a
// mapping, of words to keys that belong together. None has no axes.
func readMatrix(n ast.Node) (axes []axis, err error) {
	if n == nil {
		return nil, nil
	}
	m, ok := n.(*ast.MappingNode)
	if !ok || len(m.Values) == 0 {
		return nil, errors.New("it is a mapping, of keys to lists of values")
	}
	for _, pair := range m.Values {
		a := axis{name: scalarText(pair.Key)}
		switch v := pair.Value.(type) {
		case *ast.SequenceNode:
			for _, value := range v.Values {
				keys := ast.Mapping(v.GetToken(), false, ast.MappingValue(value.GetToken(), pair.Key, value))
				a.values = append(a.values, axisValue{scalarText(value), underscored(keys)})
			}
		case *ast.MappingNode:
			for _, named := range v.Values {
				if _, ok := named.Value.(*ast.MappingNode); !ok {
					return nil, fmt.Errorf("line %d: %s of %s is no mapping of keys to their values", yamldoc.Line(named), scalarText(named.Key), a.name)
				}
				a.values = append(a.values, axisValue{scalarText(named.Key), underscored(named.Value)})
			}
		}
		if len(a.values) == 0 {
			return nil, fmt.Errorf("line %d: %s has no values: it is a list of them, or a mapping of words to keys", yamldoc.Line(pair), a.name)
		}
		axes = append(axes, a)
	}
	return axes, nil
}

// scalarText is the text of a key or a single value; "" for other nodes.
func scalarText(n ast.Node) string {
	if s, ok := n.(ast.ScalarNode); ok {
		return fmt.Sprint(s.GetValue())
	}
	return ""
}

// combined is an entry for each combination of the axes' values, those of the last axis next to each
// other.
func (w batchWords) combined(axes []axis) ([]batchWords, error) {
	if len(axes) == 0 {
		return []batchWords{w}, nil
	}
	var all []batchWords
	for _, value := range axes[0].values {
		one := w
		if err := yamldoc.Decode(value.keys, &one); err != nil {
			return nil, err
		}
		if one.Matrix != nil {
			return nil, fmt.Errorf("matrix: line %d: a matrix cannot hold another", yamldoc.Line(value.keys))
		}
		one.fields = w.fields.with(axes[0].name, value.word)
		rest, err := one.combined(axes[1:])
		if err != nil {
			return nil, err
		}
		all = append(all, rest...)
	}
	return all, nil
}
