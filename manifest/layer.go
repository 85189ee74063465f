package manifest

import "strings"

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
)

// Layer is a manifest's entry for one blob. Two layers may share a digest.
type Layer struct {
	MediaType string `json:"mediaType"`
	Digest    Digest `json:"digest"`
	Size      int64  `json:"size"` // bytes of the blob
	Name      string `json:"name,omitempty"`
}

// label is what people call the blob: its name, or the last word of its media type.
func (l Layer) label() string {
	if l.Name != "" {
		return l.Name
	}
	return l.MediaType[strings.LastIndexByte(l.MediaType, '.')+1:]
}
