package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"qimport/manifest"
)

// ModelPack's media types (github.com/modelpack/model-spec, v1), as far as they are used here.
const (
	typePack       = "application/vnd.cncf.model.manifest.v1+json"
	typePackConfig = "application/vnd.cncf.model.config.v1+json"
	typeWeight     = "application/vnd.cncf.model.weight.v1.raw"
	typeSetting    = "application/vnd.cncf.model.weight.config.v1.raw"
	typeDoc        = "application/vnd.cncf.model.doc.v1.raw"
	keyPath        = "org.cncf.model.filepath"
)

// keyManifest is an annotation of ours: the digest of the layer that is the store's own manifest, by which
// a model comes back as the one that was pushed.
const keyManifest = "qimport.manifest"

// packConfig is the config blob of ModelPack.
type packConfig struct {
	Descriptor packDescriptor `json:"descriptor"`
	ModelFS    packFS         `json:"modelfs"`
	Config     packModel      `json:"config"`
}

type packDescriptor struct {
	Family string `json:"family,omitempty"`
	Name   string `json:"name,omitempty"`
}

type packFS struct {
	Type    string   `json:"type"` // layers
	DiffIDs []string `json:"diffIds"`
}

type packModel struct {
	Architecture string `json:"architecture,omitempty"`
	Format       string `json:"format,omitempty"`
	ParamSize    string `json:"paramSize,omitempty"`
	Precision    string `json:"precision,omitempty"`
	Quantization string `json:"quantization,omitempty"`
}

// Pack is a model as ModelPack has it: its manifest, and its config blob. The layers are the same blobs, so
// that a registry keeps them once for both forms; the store's config and manifest are two more.
func Pack(n manifest.Name, content []byte, m manifest.Manifest, c manifest.Config) (pack, config []byte, err error) {
	p := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: typePack,
		Annotations: map[string]string{keyManifest: manifest.DigestOf(content).String()},
	}
	about := packConfig{
		Descriptor: packDescriptor{Family: c.ModelFamily, Name: n.Model},
		ModelFS:    packFS{Type: "layers"},
		Config:     packModel{Architecture: "transformer", Format: c.ModelFormat, ParamSize: c.ModelType, Precision: c.FileType, Quantization: c.FileType},
	}
	taken := map[string]int{}
	add := func(l manifest.Layer, mediaType, file string) {
		d := describe(mediaType, l.Digest, l.Size)
		d.Annotations = map[string]string{keyPath: distinct(taken, file)}
		p.Layers = append(p.Layers, d)
		about.ModelFS.DiffIDs = append(about.ModelFS.DiffIDs, l.Digest.String())
	}
	for _, l := range m.Layers {
		mediaType, file := fileOf(l)
		add(l, mediaType, file)
	}
	if !m.Config.Digest.IsZero() {
		add(m.Config, typeSetting, "ollama/config.json")
	}
	add(manifest.Layer{Digest: manifest.DigestOf(content), Size: int64(len(content))}, typeSetting, "ollama/manifest.json")
	if config, err = json.Marshal(about); err != nil {
		return nil, nil, err
	}
	p.Config = describe(typePackConfig, manifest.DigestOf(config), int64(len(config)))
	pack, err = json.Marshal(p)
	return pack, config, err
}

// fileOf is what ModelPack calls a layer, and the file that it is there.
func fileOf(l manifest.Layer) (mediaType, file string) {
	switch {
	case l.MediaType == manifest.MediaTypeTensor:
		return typeWeight, l.Name + ".safetensors"
	case l.MediaType == manifest.MediaTypeLicense:
		if l.Name != "" {
			return typeDoc, l.Name
		}
		return typeDoc, "LICENSE"
	case l.Name == "README.md" || l.Name == "NOTICE":
		return typeDoc, l.Name
	case l.Name != "":
		return typeSetting, l.Name
	case strings.HasSuffix(l.MediaType, ".model"):
		return typeWeight, "model.gguf"
	}
	return typeSetting, "ollama/" + manifest.Kind(l.MediaType)
}

// distinct is a file's name that no layer before has.
func distinct(taken map[string]int, file string) string {
	taken[file]++
	if n := taken[file]; n > 1 {
		ext := path.Ext(file)
		return distinct(taken, strings.TrimSuffix(file, ext)+"-"+strconv.Itoa(n)+ext)
	}
	return file
}

// packed says whether a manifest has ModelPack's form, and which of its layers is the store's manifest.
func packed(content []byte) (inner ocispec.Descriptor, ok bool) {
	var m ocispec.Manifest
	if json.Unmarshal(content, &m) != nil || m.ArtifactType != typePack && m.Config.MediaType != typePackConfig {
		return inner, false
	}
	for _, l := range m.Layers {
		if named := m.Annotations[keyManifest]; named != "" && l.Digest.String() == named {
			return l, true
		}
	}
	return inner, true
}

// unpack fetches the store's manifest of a model that is there in ModelPack's form.
func (c *Client) unpack(ctx context.Context, r Remote, inner ocispec.Descriptor) (Remote, error) {
	if inner.Digest == "" {
		return Remote{}, fmt.Errorf("%w: %s is a ModelPack that qimport did not push: its files are those of a checkpoint, so fetch them with a tool of ModelPack's and import the directory", ErrContent, c.ref)
	}
	d, err := manifest.ParseDigest(inner.Digest.String())
	if err != nil {
		return Remote{}, fmt.Errorf("%w: %w", ErrContent, err)
	}
	r.ModelPack = true
	r.Content, err = c.small(ctx, d, inner.Size, manifest.MaxManifestBytes)
	return r, err
}
