package report

import (
	"io"
	"strings"

	"qimport/internal/untrusted"
)

// Form writes a report in one form.
type Form func(*Report, io.Writer) error

// Forms are the forms of a report by the ending of its file.
func Forms() map[string]Form {
	return map[string]Form{
		".json": writeJSON, ".xml": (*Report).WriteJUnit, ".html": (*Report).WriteHTML,
		".md": writeMarkdown, ".txt": writeText, ".annotations": writeAnnotations,
	}
}

func writeJSON(r *Report, w io.Writer) error {
	document, err := r.JSON()
	if err != nil {
		return err
	}
	_, err = w.Write(untrusted.JSON(document))
	return err
}

// writeText is WriteText for a file, which somebody may print: prompts, answers and names in it steer no
// terminal.
func writeText(r *Report, w io.Writer) error {
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		return err
	}
	_, err := io.WriteString(w, untrusted.Lines(text.String(), 0))
	return err
}

func writeMarkdown(r *Report, w io.Writer) error {
	_, err := io.WriteString(w, untrusted.Lines(r.Markdown(), 0))
	return err
}
