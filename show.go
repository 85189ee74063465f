package qimport

import (
	"time"

	"qimport/arch"
	"qimport/convert/source"
	"qimport/manifest"
	"qimport/verify/report"
)

// Shown is a stored model, as scripts read it.
type Shown struct {
	Schema       int             `json:"schema"`
	Name         manifest.Name   `json:"name"`
	Manifest     manifest.Digest `json:"manifest"`
	Modified     time.Time       `json:"modified"`
	Bytes        int64           `json:"bytes"`
	Family       arch.Family     `json:"family"`
	Config       manifest.Config `json:"config"`
	Tensors      []ShownTensor   `json:"tensors"`
	Files        []string        `json:"files"`
	Notes        []string        `json:"notes"` // what is not as one would expect
	Verification *report.Report  `json:"verification"`
	Stale        string          `json:"verification_stale,omitempty"` // why the verdict does not answer for this model
	// Statements are those beside the manifest, signed or said to be.
	Statements []ShownStatement `json:"attestations,omitempty"`
}

// ShownTensor is one tensor of a stored model.
type ShownTensor struct {
	Name   string `json:"name"`
	Shape  []int  `json:"shape"`
	Format string `json:"format"`
	Bytes  int64  `json:"bytes"`
}

// Show says what a stored model consists of, and how it was judged.
func Show(store *manifest.Store, name manifest.Name) (Shown, error) {
	e, err := store.Lookup(name)
	if err != nil {
		return Shown{}, err
	}
	src, err := source.OpenStored(e.Manifest, store.Blob)
	if err != nil {
		return Shown{}, err
	}
	defer src.Close()
	inv := src.Inventory()
	s := Shown{
		Schema: 1, Name: e.Name, Manifest: e.Digest, Modified: e.Modified.UTC(), Bytes: e.Manifest.Bytes(),
		Family: inv.Config.Family, Config: readConfig(store, e.Manifest), Tensors: []ShownTensor{}, Files: src.Files(),
		Notes: append([]string{}, inv.Notes...),
	}
	for _, t := range inv.Tensors {
		s.Tensors = append(s.Tensors, ShownTensor{t.Name, t.Shape, t.Format.String(), t.Bytes()})
	}
	var note string
	if s.Verification, note = readVerdict(store, e.Digest); note != "" {
		s.Notes = append(s.Notes, note)
	}
	if s.Statements, note = shownStatements(store, e.Digest); note != "" {
		s.Notes = append(s.Notes, note)
	}
	if r := s.Verification; r != nil {
		s.Stale = r.Stale(e.Digest.String(), r.Level)
	}
	return s, nil
}
