package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// A note is the hub's listing of a snapshot, kept beside it as qimport/COMMIT.json, from which a
// later run knows without a network whether the snapshot is whole.
const noteSchema = 2 // 1 had no licence and no card

// errBadNote marks a note that is not one; it counts as none.
var errBadNote = errors.New("the note of the listing is not usable")

type note struct {
	Schema int `json:"schema"`
	listing
}

func (l listing) note() ([]byte, error) { return json.Marshal(note{noteSchema, l}) }

// parseNote reads the note of a commit and holds it to the same rules as an answer of the hub.
func parseNote(b []byte, commit string) (listing, error) {
	var n note
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&n); err != nil {
		return listing{}, fmt.Errorf("%w: %w", errBadNote, err)
	}
	if n.Schema != noteSchema || n.Commit != commit || d.More() {
		return listing{}, fmt.Errorf("%w: it is of another schema or commit", errBadNote)
	}
	if err := n.check(); err != nil {
		return listing{}, fmt.Errorf("%w: %w", errBadNote, err)
	}
	return n.listing, nil
}
