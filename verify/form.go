package verify

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// Form is one way to write a report.
type Form string

// The forms, by the ending of a file's name.
const (
	FormJSON     Form = "json"
	FormJUnit    Form = "xml"
	FormHTML     Form = "html"
	FormMarkdown Form = "md"
	FormText     Form = "txt"
)

// FormOf is the form that a file's name asks for, to be refused before anything is run.
func FormOf(path string) (Form, error) {
	f := Form(strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), "."))
	switch f {
	case FormJSON, FormJUnit, FormHTML, FormMarkdown, FormText:
		return f, nil
	}
	return "", fmt.Errorf("report %s: its name must end with .json, .xml, .html, .md or .txt, which says what it will hold", path)
}

// Write writes the report in a form.
func (r *Report) Write(w io.Writer, f Form) error {
	switch f {
	case FormJUnit:
		return r.WriteJUnit(w)
	case FormHTML:
		return r.WriteHTML(w)
	case FormText:
		return r.WriteText(w)
	case FormMarkdown:
		_, err := io.WriteString(w, r.Markdown())
		return err
	}
	b, err := r.JSON()
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}
