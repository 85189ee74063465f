package qimport

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"qimport/convert/source"
	"qimport/manifest"
	"qimport/quant"
)

// Listed is one model of a list, as scripts read it.
type Listed struct {
	Name     manifest.Name   `json:"name"`
	Manifest manifest.Digest `json:"manifest"`
	Bytes    int64           `json:"bytes"`
	Type     string          `json:"type"` // as Ollama has it, else what TypeOf says
	Modified time.Time       `json:"modified"`
}

// List lists the models of a store, those of Ollama's own too. The error is of those that cannot be
// read; the others are in the list all the same.
func List(store *manifest.Store) ([]Listed, error) {
	entries, damage := store.List()
	models := []Listed{}
	for _, e := range entries {
		models = append(models, Listed{
			Name: e.Name, Manifest: e.Digest, Bytes: e.Manifest.Bytes(),
			Type: storedType(store, e.Manifest), Modified: e.Modified.UTC(),
		})
	}
	return models, damage
}

// storedType is the type that the config blob names, which is none for mixed and unquantized models;
// then what their tensors say. A model of another kind, or a damaged one, has none.
func storedType(store *manifest.Store, m manifest.Manifest) string {
	if named := readConfig(store, m).FileType; named != "" {
		return named
	}
	src, err := source.OpenStored(m, store.Blob)
	if err != nil {
		return ""
	}
	defer src.Close()
	return TypeOf(src.Inventory())
}

// TypeOf lists the formats of the quantized tensors, those with most weights first: "int4, int8".
// Where none is quantized it is the format of most weights.
func TypeOf(inv source.Inventory) string {
	weights := map[quant.Format]int{}
	for _, t := range inv.Tensors {
		weights[t.Format] += quant.Elements(t.Shape)
	}
	formats := slices.SortedFunc(maps.Keys(weights), func(a, b quant.Format) int {
		return cmp.Or(weights[b]-weights[a], strings.Compare(a.String(), b.String()))
	})
	var names []string
	for _, f := range formats {
		if f.IsQuantized() {
			names = append(names, f.String())
		}
	}
	if len(names) == 0 && len(formats) > 0 {
		return formats[0].String()
	}
	return strings.Join(names, ", ")
}

// readConfig reads a model's config blob; a list does not fail for one that cannot be read.
func readConfig(store *manifest.Store, m manifest.Manifest) manifest.Config {
	if m.Config.Digest.IsZero() {
		return manifest.Config{}
	}
	b, err := manifest.ReadBlob(store.Blob(m.Config.Digest), m.Config)
	if err != nil {
		return manifest.Config{}
	}
	config, err := manifest.ParseConfig(b)
	if err != nil {
		return manifest.Config{}
	}
	return config
}
