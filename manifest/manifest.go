package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MaxManifestBytes is the largest manifest that is read. 100,000 layers with names of 100 bytes
// take 27 MB.
const MaxManifestBytes = 64 << 20

// ErrBadManifest marks bytes that are no manifest. One such file makes Ollama, and our GC, keep
// every unnamed blob of the store.
var ErrBadManifest = errors.New("bad manifest")

// Manifest lists the blobs of one model. Its JSON has this very order of fields.
type Manifest struct {
	SchemaVersion int     `json:"schemaVersion"`
	MediaType     string  `json:"mediaType"`
	Config        Layer   `json:"config"` // Digest is zero where a model of another kind has none
	Layers        []Layer `json:"layers"`
}

// New is the manifest of a model with this config blob and these layers.
func New(config Layer, layers []Layer) Manifest {
	return Manifest{SchemaVersion: 2, MediaType: MediaTypeManifest, Config: config, Layers: layers}
}

// Parse reads a manifest and checks it with Validate. Unknown fields are left out. The error is
// ErrBadManifest.
func Parse(b []byte) (Manifest, error) {
	if len(b) > MaxManifestBytes {
		return Manifest{}, fmt.Errorf("%w: %d bytes, more than %d", ErrBadManifest, len(b), MaxManifestBytes)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	var m Manifest
	if err := dec.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("%w: at byte %d of %d: %w", ErrBadManifest, dec.InputOffset(), len(b), err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Manifest{}, fmt.Errorf("%w: more after its end at byte %d", ErrBadManifest, dec.InputOffset())
	}
	if err := m.Validate(); err != nil {
		return Manifest{}, err
	}
	return m, nil
}

// Validate says what is wrong with m, with ErrBadManifest, or nil. That its blobs are there is for
// Publish and Check to say.
func (m Manifest) Validate() error {
	if m.SchemaVersion != 2 {
		return fmt.Errorf("%w: schemaVersion is %d, not 2", ErrBadManifest, m.SchemaVersion)
	}
	if len(m.MediaType) > maxLayerName || !printable(m.MediaType) {
		return fmt.Errorf("%w: its media type is %.80q", ErrBadManifest, m.MediaType)
	}
	if len(m.Layers) > maxLayers {
		return fmt.Errorf("%w: %d layers, more than %d", ErrBadManifest, len(m.Layers), maxLayers)
	}
	if err := m.Config.validate(); err != nil {
		return fmt.Errorf("%w: the config %w", ErrBadManifest, err)
	}
	total := m.Config.Size
	for i, l := range m.Layers {
		if l.Digest.IsZero() {
			return fmt.Errorf("%w: layer %d (%.80q) has no digest", ErrBadManifest, i, l.Name)
		}
		if err := l.validate(); err != nil {
			return fmt.Errorf("%w: layer %d (%s) %w", ErrBadManifest, i, l.Digest, err)
		}
		if total += l.Size; total > maxLayerBytes {
			return fmt.Errorf("%w: its layers have more than %d bytes together", ErrBadManifest, int64(maxLayerBytes))
		}
	}
	return nil
}

// Encode is the manifest as it is stored: one line of JSON with a newline.
func (m Manifest) Encode() []byte {
	b, err := json.Marshal(m)
	if err != nil { // no field can fail to encode
		panic(err)
	}
	return append(b, '\n')
}

// Digest is the SHA-256 of Encode, which identifies the model with all its blobs.
func (m Manifest) Digest() Digest { return DigestOf(m.Encode()) }

// Blobs lists the config and the layers, each digest once, in the manifest's order.
func (m Manifest) Blobs() []Layer {
	seen := make(map[Digest]bool, 1+len(m.Layers))
	var blobs []Layer
	for _, l := range append([]Layer{m.Config}, m.Layers...) {
		if !l.Digest.IsZero() && !seen[l.Digest] {
			seen[l.Digest] = true
			blobs = append(blobs, l)
		}
	}
	return blobs
}

// Bytes is the size of all its blobs together, a shared one counted once.
func (m Manifest) Bytes() int64 {
	var n int64
	for _, l := range m.Blobs() {
		n += l.Size
	}
	return n
}
