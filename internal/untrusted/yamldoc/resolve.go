package yamldoc

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
)

// Resolve puts what aliases and merge keys (<<) stand for in their places, so that each part of a document
// can be decoded by itself, and passes every text through change, which is told its line. Keys stay as they are.
func Resolve(node ast.Node, change func(line int, text string) (string, error)) (ast.Node, error) {
	r := resolver{anchors: map[string]ast.Node{}, change: change}
	return r.node(node)
}

type resolver struct {
	anchors map[string]ast.Node // whose ends were read
	change  func(line int, text string) (string, error)
}

func (r resolver) node(n ast.Node) (ast.Node, error) {
	switch n := n.(type) {
	case *ast.AnchorNode:
		v, err := r.node(n.Value)
		if err == nil && n.Name != nil {
			r.anchors[n.Name.String()] = v
		}
		return v, err
	case *ast.AliasNode:
		if v, ok := r.anchors[n.Value.String()]; ok {
			return v, nil
		}
		return nil, fmt.Errorf("line %d: nothing before it has the anchor &%s", Line(n), n.Value)
	case *ast.SequenceNode:
		for i, v := range n.Values {
			v, err := r.node(v)
			if err != nil {
				return nil, err
			}
			n.Values[i] = v
		}
	case *ast.MappingNode:
		for _, pair := range n.Values {
			if _, err := r.node(pair); err != nil {
				return nil, err
			}
		}
		n.Values = merged(n.Values)
	case *ast.MappingValueNode:
		v, err := r.node(n.Value)
		if err != nil {
			return nil, err
		}
		n.Value = v
	case *ast.LiteralNode:
		_, err := r.node(n.Value)
		return n, err
	case *ast.StringNode:
		text, err := r.change(Line(n), n.Value)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", Line(n), err)
		}
		n.Value = text
	}
	return n, nil
}

// merged writes merge keys out: of the mappings that they name, what is not there by itself, or by an
// earlier one.
func merged(pairs []*ast.MappingValueNode) (out []*ast.MappingValueNode) {
	seen := map[string]bool{}
	for _, pair := range pairs {
		if !pair.Key.IsMergeKey() {
			seen[pair.Key.String()] = true
			out = append(out, pair)
		}
	}
	for _, pair := range pairs {
		if !pair.Key.IsMergeKey() {
			continue
		}
		from := []ast.Node{pair.Value}
		if list, ok := pair.Value.(*ast.SequenceNode); ok {
			from = list.Values
		}
		for _, m := range from {
			m, ok := m.(*ast.MappingNode)
			if !ok {
				out = append(out, pair) // for the decoder to refuse
				continue
			}
			for _, p := range m.Values {
				if !seen[p.Key.String()] {
					seen[p.Key.String()] = true
					out = append(out, p)
				}
			}
		}
	}
	return out
}

// Line is where a node begins, counted from 1; 0 where the parser does not say.
func Line(n ast.Node) int {
	if n == nil {
		return 0
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}
