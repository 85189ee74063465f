package qimport

import (
	"encoding/json"
	"fmt"

	"qimport/convert/modelfile"
	"qimport/manifest"
	"qimport/runtime/chat"
)

// madeKinds are the layers that an import makes. A licence is one where it has the name of its file; one
// from a Modelfile has none.
var madeKinds = []string{manifest.MediaTypeTensor, manifest.MediaTypeJSON}

// Overlay is what a Modelfile laid over a stored model, as far as running it heeds that.
type Overlay struct {
	System     string
	Parameters Parameters
	Messages   []modelfile.Message // that a conversation begins with
}

// Turns are the messages as a chat template takes them.
func (o Overlay) Turns() []chat.Message {
	var turns []chat.Message
	for _, m := range o.Messages {
		turns = append(turns, chat.Message{Role: m.Role, Content: m.Content})
	}
	return turns
}

// Parameters are those of a Modelfile. What it does not set is nil.
type Parameters struct {
	Temperature   *float64 `json:"temperature"`
	TopK          *int     `json:"top_k"`
	TopP          *float64 `json:"top_p"`
	MinP          *float64 `json:"min_p"`
	RepeatPenalty *float64 `json:"repeat_penalty"`
	NumPredict    *int     `json:"num_predict"` // below 1 is no limit
	Seed          *int64   `json:"seed"`        // below 0 is none
	Stop          texts    `json:"stop"`
}

// texts is one text or a list of them.
type texts []string

func (t *texts) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// maxOverlay is the largest overlay that is read, far above what a context holds.
const maxOverlay = 16 << 20

// Overlay reads what was laid over a stored model; a directory has none.
func (m Model) Overlay() (o Overlay, err error) {
	if m.store == nil {
		return o, nil
	}
	for _, l := range m.Blobs {
		switch l.MediaType {
		case manifest.MediaTypeSystem:
			var text []byte
			text, err = m.overlayBlob(l)
			o.System = string(text)
		case manifest.MediaTypeParams:
			err = m.overlayJSON(l, &o.Parameters)
		case manifest.MediaTypeMessages:
			err = m.overlayJSON(l, &o.Messages)
		}
		if err != nil {
			return o, fmt.Errorf("%s: its layer %s: %w", m.Name, l.MediaType, err)
		}
	}
	return o, nil
}

func (m Model) overlayJSON(l manifest.Layer, into any) error {
	b, err := m.overlayBlob(l)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	return err
}

// overlayBlob reads a small blob, and holds it to its digest.
func (m Model) overlayBlob(l manifest.Layer) ([]byte, error) {
	if l.Size > maxOverlay {
		return nil, fmt.Errorf("it has %d bytes, more than %d", l.Size, maxOverlay)
	}
	b, err := manifest.ReadBlob(m.Path(l.Digest), l)
	if err == nil && manifest.DigestOf(b) != l.Digest {
		err = fmt.Errorf("%w: %s holds other bytes than it should", manifest.ErrDamaged, m.Path(l.Digest))
	}
	return b, err
}
