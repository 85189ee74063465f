package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

// render is a document as HTML, with its links led to where the site has what they mean.
func (s *site) render(p page, source []byte) ([]byte, error) {
	tree := s.markdown.Parser().Parse(text.NewReader(source))
	var faults []error
	var dead []*ast.Link
	err := ast.Walk(tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			if id, ok := n.AttributeString("id"); ok {
				s.anchors[p.out][string(id.([]byte))] = true
			}
		case *ast.Link:
			to, err := s.target(p, string(n.Destination))
			if err != nil {
				faults = append(faults, err)
			}
			if n.Destination = []byte(to); to == "" {
				dead = append(dead, n)
			}
		}
		return ast.WalkContinue, nil
	})
	for _, l := range dead {
		unlink(l)
	}
	var b bytes.Buffer
	faults = append(faults, err, s.markdown.Renderer().Render(&b, source, tree))
	return b.Bytes(), errors.Join(faults...)
}

// unlink leaves a link's words in its place.
func unlink(l *ast.Link) {
	parent := l.Parent()
	for c := l.FirstChild(); c != nil; c = l.FirstChild() {
		parent.InsertBefore(parent, l, c)
	}
	parent.RemoveChild(parent, l)
}

// target is where a link of a document leads in the site; nothing, for a file of the repository when
// it is not said where that can be read.
func (s *site) target(p page, to string) (string, error) {
	if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
		return to, nil
	}
	name, anchor, _ := strings.Cut(to, "#")
	hash := ""
	if anchor != "" {
		hash = "#" + anchor
	}
	if name == "" {
		s.links = append(s.links, link{p.out, p.out, anchor})
		return hash, nil
	}
	file := path.Join(path.Dir(p.file), name)
	if there, ok := s.byFile[file]; ok {
		s.links = append(s.links, link{p.out, there.out, anchor})
		return there.out + hash, nil
	}
	if _, err := os.Stat(filepath.Join(s.root, filepath.FromSlash(file))); err != nil || !filepath.IsLocal(file) {
		return "", fmt.Errorf("%s links to %s, which is not there", p.file, to)
	}
	switch {
	case file == "schema":
		return "schemas.html", nil
	case path.Dir(file) == "schema" && path.Ext(file) == ".json":
		return file, nil
	case s.source == "":
		return "", nil
	}
	return strings.TrimSuffix(s.source, "/") + "/" + file + hash, nil
}
