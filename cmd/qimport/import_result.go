package main

import (
	"io"

	"qimport/convert/encode"
	"qimport/manifest"
	"qimport/verify/report"
)

// importResult is the result of an import, as scripts read it.
type importResult struct {
	Schema       int             `json:"schema"`
	Name         manifest.Name   `json:"name"`
	Manifest     manifest.Digest `json:"manifest"`
	Tensors      int             `json:"tensors"`
	BytesRead    int64           `json:"bytes_read"`
	BytesWritten int64           `json:"bytes_written"`
	BytesReused  int64           `json:"bytes_reused"`
	Seconds      float64         `json:"seconds"`
	Published    bool            `json:"published"`
	ScaleSearch  []encode.Gain   `json:"scale_search,omitempty"`
	Verification *report.Report  `json:"verification"`
}

// write prints the result for people.
func (r importResult) write(w io.Writer) error {
	if r.Verification != nil {
		if err := r.Verification.WriteText(w); err != nil {
			return err
		}
	}
	writeGains(w, r.ScaleSearch)
	state := "published, not verified"
	switch {
	case !r.Published:
		state = "not published"
	case r.Verification != nil:
		state = "published"
	}
	fprintln(w, "%s  %s  %s: %d tensors, %s read, %s written, %s reused, %.1f s", r.Name, r.Manifest.Short(), state,
		r.Tensors, size(r.BytesRead), size(r.BytesWritten), size(r.BytesReused), r.Seconds)
	return nil
}

// gainsShown is how many tensors a text names; the JSON has them all.
const gainsShown = 5

// writeGains says what searching the scales was worth.
func writeGains(w io.Writer, gains []encode.Gain) {
	for i, g := range gains {
		if i == gainsShown {
			fprintln(w, "  … %d more in the JSON", len(gains)-gainsShown)
			break
		}
		fprintln(w, "scale search: %.1f%% less squared error (%.3g → %.3g)  %s  %s", 100*g.Share(), g.Plain, g.Search, g.Format, g.Tensor)
	}
}
