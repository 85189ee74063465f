package manifest

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Media types of a manifest, of its config blob, and of the layers of a safetensors model.
const (
	MediaTypeManifest = "application/vnd.docker.distribution.manifest.v2+json"
	MediaTypeConfig   = "application/vnd.docker.container.image.v1+json"
	MediaTypeTensor   = "application/vnd.ollama.image.tensor"   // a safetensors blob; Name: the tensor or group
	MediaTypeJSON     = "application/vnd.ollama.image.json"     // a *.json of the checkpoint; Name: its file name
	MediaTypeTemplate = "application/vnd.ollama.image.template" // text
	MediaTypeSystem   = "application/vnd.ollama.image.system"   // text
	MediaTypeLicense  = "application/vnd.ollama.image.license"  // text
	MediaTypeParams   = "application/vnd.ollama.image.params"   // JSON of the parameters, keys sorted, newline
	MediaTypeMessages = "application/vnd.ollama.image.messages" // JSON of turns that a conversation begins with, newline
)

// Layer is a manifest's entry for one blob. Two layers may share a digest.
type Layer struct {
	MediaType string `json:"mediaType"`
	Digest    Digest `json:"digest"`
	Size      int64  `json:"size"` // bytes of the blob
	Name      string `json:"name,omitempty"`
}

// LaidOver are the media types of what a Modelfile lays over a model, in the order in which Ollama writes them.
func LaidOver() []string {
	return []string{MediaTypeTemplate, MediaTypeSystem, MediaTypeLicense, MediaTypeParams, MediaTypeMessages}
}

// Kind is the last word of a media type: tensor, template, system, license, params, messages.
func Kind(mediaType string) string { return mediaType[strings.LastIndexByte(mediaType, '.')+1:] }

// label is what people call the blob: its name, or its kind.
func (l Layer) label() string {
	if l.Name != "" {
		return l.Name
	}
	return Kind(l.MediaType)
}

// Limits of what a manifest may say, far above what any model needs: a file system's longest path has
// four of these names, and the largest checkpoint of today a thousandth of these bytes.
const (
	maxLayers     = 100_000
	maxLayerName  = 1024
	maxLayerBytes = 1 << 50
)

// validate says what is wrong with a layer in itself, or nil. A name becomes a file's name where a
// model is taken out of the store, and stands in messages: so it stays below the folder that it is
// put in, and does not command a terminal. Ollama's names are those of tensors and of files, these
// also in a folder (draft/config.json).
func (l Layer) validate() error {
	switch {
	case l.Size < 0 || l.Size > maxLayerBytes:
		return fmt.Errorf("has %d bytes", l.Size)
	case len(l.MediaType) > maxLayerName || !printable(l.MediaType):
		return fmt.Errorf("has the media type %.80q", l.MediaType)
	case l.Name != "" && !isLocal(l.Name):
		return fmt.Errorf("has the name %.80q, which is none for a tensor or a file", l.Name)
	}
	return nil
}

// isLocal reports whether a name is one of a file, or of one in folders below.
func isLocal(name string) bool {
	return len(name) <= maxLayerName && printable(name) && !strings.ContainsRune(name, '\\') &&
		!path.IsAbs(name) && path.Clean(name) == name && name != "." && name != ".." && !strings.HasPrefix(name, "../")
}

// printable reports whether s shows as what it is: no control characters, none that turn the
// direction of writing, no broken UTF-8.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
