package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
)

// journalLine says that the blob of a key is on the disk, whole. The journal of a staging folder has
// one JSON object a line, each written after the blob was flushed.
type journalLine struct {
	Key string `json:"key"`
	Layer
}

// readJournal reads the lines of the journal at path, none where it does not exist. A line cut short
// by a crash, and every one that is not a journal line, is skipped.
func readJournal(path string) ([]journalLine, error) {
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var lines []journalLine
	for text := range bytes.Lines(content) {
		var l journalLine
		if err := json.Unmarshal(text, &l); err == nil && !l.Digest.IsZero() && bytes.HasSuffix(text, []byte("\n")) {
			lines = append(lines, l)
		}
	}
	return lines, nil
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
