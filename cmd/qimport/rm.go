package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"qimport/manifest"
)

func rmCommand(s stdio) *cli.Command {
	return command(s, "rm", "NAME...", "remove names, and the blobs that no other name needs", `
Examples:
  qimport rm small:nvfp4
  qimport rm old:a old:b --json`,
		1, -1, nil, rm)
}

// removedModel is one name that was removed.
type removedModel struct {
	Name  manifest.Name `json:"name"`
	Blobs int           `json:"blobs"`
	Bytes int64         `json:"bytes"`
	Note  string        `json:"note,omitempty"`
}

// blobs says what became of the blobs.
func (r removedModel) blobs() string {
	switch {
	case r.Note != "":
		return r.Note
	case r.Blobs == 0:
		return "its blobs stay: other names need all of them"
	}
	return fmt.Sprintf("%s of %s freed", plural(r.Blobs, "blob"), size(r.Bytes))
}

// removal is the result, a model a name.
type removal struct {
	Schema  int            `json:"schema"`
	Removed []removedModel `json:"removed"`
}

func rm(ctx context.Context, c call) error {
	store, names, err := c.storeAndNames()
	if err != nil {
		return err
	}
	for _, name := range names { // all of them, before the first is removed
		if _, err := store.Lookup(name); errors.Is(err, manifest.ErrNotFound) { // a damaged one can be removed
			return err
		}
	}
	document := removal{Schema: 1}
	for _, name := range names {
		r, err := store.Remove(ctx, name)
		if err != nil {
			return err
		}
		document.Removed = append(document.Removed, removedModel{r.Name, r.Blobs, r.Bytes, r.Note})
	}
	return c.print(document, func(w io.Writer) error {
		for _, r := range document.Removed {
			fprintln(w, "%s removed; %s", r.Name, r.blobs())
		}
		return nil
	})
}
