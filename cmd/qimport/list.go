package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"qimport/convert/source"
	"qimport/manifest"
	"qimport/quant"
)

func listCommand(s stdio) *cli.Command {
	return command(s, "list", "", "list the models of the store", `
Models that Ollama made are listed as well. SIZE counts blobs that several models share in each.

Examples:
  qimport list
  qimport list --store /mnt/models --json`,
		0, 0, nil, list)
}

// listed is one model of the list.
type listed struct {
	Name     manifest.Name   `json:"name"`
	Manifest manifest.Digest `json:"manifest"`
	Bytes    int64           `json:"bytes"`
	Type     string          `json:"type"` // as Ollama has it, else what typeOf says
	Modified time.Time       `json:"modified"`
}

func list(_ context.Context, c call) error {
	store, err := c.openStore()
	if err != nil {
		return err
	}
	entries, damage := store.List()
	document := struct {
		Schema int      `json:"schema"`
		Models []listed `json:"models"`
	}{1, []listed{}}
	for _, e := range entries {
		document.Models = append(document.Models, listed{
			Name: e.Name, Manifest: e.Digest, Bytes: e.Manifest.Bytes(),
			Type: storedType(store, e.Manifest), Modified: e.Modified.UTC(),
		})
	}
	err = c.print(document, func(w io.Writer) error {
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fprintln(table, "NAME\tMANIFEST\tSIZE\tTYPE\tMODIFIED")
		for _, m := range document.Models {
			fprintln(table, "%s\t%s\t%s\t%s\t%s", m.Name, m.Manifest.Short(), size(m.Bytes), m.Type, humanize.Time(m.Modified))
		}
		return table.Flush()
	})
	return errors.Join(err, damage)
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
	return typeOf(src.Inventory())
}

// typeOf lists the formats of the quantized tensors, those with most weights first: "int4, int8".
// Where none is quantized it is the format of most weights.
func typeOf(inv source.Inventory) string {
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
	b, err := os.ReadFile(store.Blob(m.Config.Digest))
	if err != nil {
		return manifest.Config{}
	}
	config, err := manifest.ParseConfig(b)
	if err != nil {
		return manifest.Config{}
	}
	return config
}
