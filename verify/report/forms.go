package report

import "io"

// Form writes a report in one form.
type Form func(*Report, io.Writer) error

// Forms are the forms of a report by the ending of its file.
func Forms() map[string]Form {
	return map[string]Form{
		".json": writeJSON, ".xml": (*Report).WriteJUnit, ".html": (*Report).WriteHTML,
		".md": writeMarkdown, ".txt": (*Report).WriteText,
	}
}

func writeJSON(r *Report, w io.Writer) error {
	document, err := r.JSON()
	if err != nil {
		return err
	}
	_, err = w.Write(document)
	return err
}

func writeMarkdown(r *Report, w io.Writer) error {
	_, err := io.WriteString(w, r.Markdown())
	return err
}
