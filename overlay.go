package qimport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"qimport/manifest"
)

// overlayKinds are the layers that Ollama lays over a model from a Modelfile, and that no import makes.
var overlayKinds = map[string]string{
	manifest.MediaTypeTemplate: "template", manifest.MediaTypeSystem: "system",
	manifest.MediaTypeLicense: "license", manifest.MediaTypeParams: "params",
}

// madeKinds are the layers that an import makes. A licence is one where it has the name of its file; one
// from a Modelfile has none.
var madeKinds = []string{manifest.MediaTypeTensor, manifest.MediaTypeJSON}

// keepOverlay adds to a model what the name that it is written for has laid over its model of before:
// to import again is to renew the weights, not to take back a SYSTEM or a PARAMETER. What cannot be
// kept is said.
func (s *staged) keepOverlay(ctx context.Context, store *manifest.Store, name manifest.Name, w Watcher) {
	old, err := store.Lookup(name)
	if err != nil {
		if !errors.Is(err, manifest.ErrNotFound) {
			notef(w, "note: what %s has had is not known, and is replaced: %v", name, err)
		}
		return
	}
	likeOurs := slices.ContainsFunc(old.Manifest.Layers, func(l manifest.Layer) bool { return l.MediaType == manifest.MediaTypeTensor })
	var kept, dropped []string
	for _, l := range old.Manifest.Layers {
		kind, laidOver := overlayKinds[l.MediaType]
		switch {
		case slices.Contains(madeKinds, l.MediaType) || l.MediaType == manifest.MediaTypeLicense && l.Name != "":
		case laidOver && likeOurs && s.Reuse(ctx, "over "+l.Digest.String(), l):
			s.manifest.Layers = append(s.manifest.Layers, l)
			kept = append(kept, kind)
		case laidOver:
			dropped = append(dropped, kind)
		case likeOurs: // the weights of other kinds of model are what is replaced
			dropped = append(dropped, l.MediaType[strings.LastIndexByte(l.MediaType, '.')+1:])
		}
	}
	if len(kept) > 0 {
		notef(w, "note: %s keeps what was laid over it: %s; to start without, remove the name first", name, strings.Join(kept, ", "))
	}
	if len(dropped) > 0 {
		why := "they are of another kind of model, or damaged"
		notef(w, "note: %s loses what was laid over it: %s; %s", name, strings.Join(dropped, ", "), why)
	}
}

// Overlay is what a Modelfile laid over a stored model, as far as running it heeds that.
type Overlay struct {
	System     string
	Parameters Parameters
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
			o.Parameters, err = m.parameters(l)
		}
		if err != nil {
			return o, fmt.Errorf("%s: its %s layer: %w", m.Name, overlayKinds[l.MediaType], err)
		}
	}
	return o, nil
}

func (m Model) parameters(l manifest.Layer) (p Parameters, err error) {
	b, err := m.overlayBlob(l)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	return p, err
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
