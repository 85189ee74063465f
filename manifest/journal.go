package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
)

// journalLine says that the blob of a key is on the disk, whole. The journal of a staging folder has
// one JSON object a line, each written after the blob was flushed.
type journalLine struct {
	Key string `json:"key"`
	Layer
	State state `json:"state,omitzero"` // of its file then
}

// maxJournal is how much of a journal is read: the lines of as many blobs as a manifest can have.
const maxJournal = 64 << 20

// readJournal reads the lines of the journal at path, none where it does not exist.
func (f files) readJournal(path string) ([]journalLine, []byte, error) {
	content, _, err := f.read(path, maxJournal)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	return parseJournal(content), content, nil
}

// parseJournal reads journal lines. A line cut short by a crash, and every one that is not a journal
// line, is skipped.
func parseJournal(content []byte) []journalLine {
	var lines []journalLine
	for text := range bytes.Lines(content) {
		var l journalLine
		if err := json.Unmarshal(text, &l); err == nil && l.valid() && bytes.HasSuffix(text, []byte("\n")) {
			lines = append(lines, l)
		}
	}
	return lines
}

func (l journalLine) valid() bool {
	return !l.Digest.IsZero() && l.validate() == nil && len(l.Key) <= maxLayerName
}

// encodeJournal is the text of these lines.
func encodeJournal(lines []journalLine) []byte {
	var text []byte
	for _, l := range lines {
		b, err := json.Marshal(l)
		if err != nil { // no field can fail to encode
			panic(err)
		}
		text = append(append(text, b...), '\n')
	}
	return text
}
