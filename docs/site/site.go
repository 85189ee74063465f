package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
)

//go:embed page.html
var frame string

//go:embed style.css
var style []byte

// site is one being built.
type site struct {
	root, out, source string
	markdown          goldmark.Markdown
	byFile            map[string]page            // documents, by their path in the repository
	anchors           map[string]map[string]bool // of each page
	links             []link
}

// link is one from page to page, to be held to what is there once all are written.
type link struct{ from, to, anchor string }

// build writes the site of the repository at root into out, and says how many pages it has.
func build(root, out, source string) (int, error) {
	s := &site{root: root, out: out, source: source, byFile: map[string]page{}, anchors: map[string]map[string]bool{}}
	s.markdown = goldmark.New(
		goldmark.WithExtensions(extension.GFM),
		goldmark.WithParserOptions(parser.WithAutoHeadingID()),
		goldmark.WithRendererOptions(html.WithXHTML()),
	)
	groups := navigation()
	for _, g := range groups {
		for _, p := range g.pages {
			if p.made == nil {
				s.byFile[p.file] = p
			}
		}
	}
	if err := s.complete(); err != nil {
		return 0, err
	}
	if err := os.RemoveAll(out); err != nil {
		return 0, err
	}
	if err := s.copyFiles(); err != nil {
		return 0, err
	}
	pages := 0
	var faults []error
	for _, g := range groups {
		for _, p := range g.pages {
			faults = append(faults, s.write(p, groups))
			pages++
		}
	}
	return pages, errors.Join(append(faults, s.check()...)...)
}

// complete is an error for each document that the navigation does not have.
func (s *site) complete() error {
	found, err := filepath.Glob(filepath.Join(s.root, "docs", "*.md"))
	if err != nil {
		return err
	}
	var faults []error
	for _, f := range found {
		if name := "docs/" + filepath.Base(f); s.byFile[name].out == "" {
			faults = append(faults, fmt.Errorf("%s is not in the navigation: give it a line in docs/site/nav.go", name))
		}
	}
	return errors.Join(faults...)
}

// copyFiles puts beside the pages what they load or offer: the style sheet, and the schemas.
func (s *site) copyFiles() error {
	if err := os.MkdirAll(filepath.Join(s.out, "schema"), 0o755); err != nil {
		return err
	}
	schemas, err := filepath.Glob(filepath.Join(s.root, "schema", "*.json"))
	if err != nil {
		return err
	}
	for _, f := range schemas {
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(s.out, "schema", filepath.Base(f)), b, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(s.out, "style.css"), style, 0o644)
}

// write makes one page.
func (s *site) write(p page, groups []group) error {
	s.anchors[p.out] = map[string]bool{}
	body, err := s.body(p)
	if err != nil {
		return fmt.Errorf("%s: %w", p.file, err)
	}
	type entry struct {
		Href, Label string
		Here        bool
	}
	type part struct {
		Title   string
		Entries []entry
	}
	var nav []part
	for _, g := range groups {
		n := part{Title: g.title}
		for _, q := range g.pages {
			n.Entries = append(n.Entries, entry{q.out, q.label, q.out == p.out})
		}
		nav = append(nav, n)
	}
	t, err := template.New("page").Parse(frame)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, map[string]any{"Label": p.label, "Nav": nav, "Body": template.HTML(body)}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.out, p.out), b.Bytes(), 0o644)
}

// body is what a page says.
func (s *site) body(p page) ([]byte, error) {
	if p.made != nil {
		return p.made(s, p)
	}
	text, err := os.ReadFile(filepath.Join(s.root, filepath.FromSlash(p.file)))
	if err != nil {
		return nil, err
	}
	return s.render(p, text)
}

// check holds every link between pages to the pages and their headings.
func (s *site) check() (faults []error) {
	for _, l := range s.links {
		anchors, ok := s.anchors[l.to]
		switch {
		case !ok:
			faults = append(faults, fmt.Errorf("%s links to %s, which is no page", l.from, l.to))
		case l.anchor != "" && !anchors[l.anchor]:
			faults = append(faults, fmt.Errorf("%s links to %s#%s; the anchors there are %q", l.from, l.to, l.anchor, slices.Sorted(maps.Keys(anchors))))
		}
	}
	return faults
}
