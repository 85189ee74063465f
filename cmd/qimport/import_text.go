package main

import (
	"fmt"
	"io"
	"strings"

	"qimport"
	"qimport/convert/encode"
)

// importText prints the result of an import for people.
func (s stdio) importText(r qimport.ImportResult) func(io.Writer) error {
	return func(w io.Writer) error {
		if r.Part != nil && len(r.Part.Missing) > 0 {
			fprintln(w, "%s  part %d of %d: %d tensors, %s read, %s written, %s reused, %.1f s; not finished yet: %s", r.Name, r.Part.Number, r.Part.Of,
				r.Tensors, size(r.BytesRead), size(r.BytesWritten), size(r.BytesReused), r.Seconds, strings.Trim(fmt.Sprint(r.Part.Missing), "[]"))
			return nil
		}
		if r.Verification != nil {
			if err := s.writeReport(w, r.Verification); err != nil {
				return err
			}
		}
		if !s.quiet {
			writeGains(w, r.ScaleSearch)
			writeLaid(w, r.Laid)
			fprintln(w, "%s", r.Ollama)
		}
		state := "published, not verified"
		switch {
		case !r.Published:
			state = "not published"
		case r.Verification != nil:
			state = "published"
		}
		fprintln(w, "%s  %s  %s: %d tensors, %s read, %s written, %s reused, %.1f s", r.Name, r.Manifest.Short(), state,
			r.Tensors, size(r.BytesRead), size(r.BytesWritten), size(r.BytesReused), r.Seconds)
		if r.Attestation != nil && !s.quiet {
			writeAttested(w, r.Attestation)
		}
		return nil
	}
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
