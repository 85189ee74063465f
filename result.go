package qimport

import (
	"qimport/convert/encode"
	"qimport/convert/ollama"
	"qimport/convert/plan"
	"qimport/convert/write"
	"qimport/manifest"
	"qimport/verify/report"
)

// ImportResult is what an import did, as scripts read it.
type ImportResult struct {
	Schema       int             `json:"schema"`
	Name         manifest.Name   `json:"name"`
	Manifest     manifest.Digest `json:"manifest"`
	Tensors      int             `json:"tensors"`
	BytesRead    int64           `json:"bytes_read"`
	BytesWritten int64           `json:"bytes_written"`
	BytesReused  int64           `json:"bytes_reused"`
	BlobsWritten int             `json:"blobs_written"`
	BlobsReused  int             `json:"blobs_reused"`
	Seconds      float64         `json:"seconds"`
	Published    bool            `json:"published"`
	Part         *PartResult     `json:"part,omitempty"` // where several machines share the work
	ScaleSearch  []encode.Gain   `json:"scale_search,omitempty"`
	Values       []string        `json:"values"` // findings about the values of what was read, a sentence each
	Ollama       ollama.Answer   `json:"ollama"`
	Laid         []plan.LaidOver `json:"laid"`
	Verification *report.Report  `json:"verification"` // null where none was asked for
	Attestation  *Attested       `json:"attestation,omitempty"`
	Unchanged    bool            `json:"-"` // the name had it all before
}

// add counts what this process has written before, and then found in the stage, as written.
func (r *ImportResult) add(s write.Stats) {
	r.BytesRead += s.BytesRead
	r.BytesWritten, r.BytesReused = r.BytesWritten+s.BytesWritten, r.BytesReused-s.BytesWritten
	r.BlobsWritten, r.BlobsReused = r.BlobsWritten+s.BlobsWritten, r.BlobsReused-s.BlobsWritten
	r.ScaleSearch = append(r.ScaleSearch, s.Gains...)
	r.Values = append(r.Values, s.Findings...)
}
