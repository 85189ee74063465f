package main

import (
	"context"
	"errors"
	"io"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"qimport"
	"qimport/internal/table"
)

func listCommand(s stdio) *cli.Command {
	list := command(s, "list", "", "list the models of the store", `
Models that Ollama made are listed as well. SIZE counts blobs that several models share in each.

Examples:
  qimport list
  qimport list --store /mnt/models --json`,
		0, 0, nil, list)
	list.Aliases = []string{"ls"}
	return list
}

// listing is the result.
type listing struct {
	Schema int              `json:"schema"`
	Models []qimport.Listed `json:"models"`
}

func list(_ context.Context, c call) error {
	store, err := c.openStore()
	if err != nil {
		return err
	}
	models, damage := qimport.List(store)
	document := listing{1, models}
	err = c.print(document, func(w io.Writer) error {
		rows := [][]string{{"NAME", "MANIFEST", "SIZE", "TYPE", "MODIFIED"}}
		for _, m := range models {
			rows = append(rows, []string{m.Name.String(), m.Manifest.Short(), size(m.Bytes), m.Type, humanize.Time(m.Modified)})
		}
		return table.Write(w, c.width(), rows)
	})
	return errors.Join(err, damage)
}
