package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"qimport/arch"
	"qimport/arch/files"
	"qimport/convert/safetensors"
	"qimport/manifest"
)

// OpenStored opens a stored model, ours or one that Ollama made, as a source: its tensor blobs and
// the files kept beside them. A model that Ollama stored without its chat template is given one that
// writes the same plain turns, and a note says so. path says where a blob lies. What is broken, or
// lies about its quantization, is ErrSource.
func OpenStored(m manifest.Manifest, path func(manifest.Digest) string) (*Source, error) {
	s, err := openStored(m, path)
	if err != nil {
		return nil, refused(m.Digest().String(), err)
	}
	return s, nil
}

func openStored(m manifest.Manifest, path func(manifest.Digest) string) (_ *Source, err error) {
	beside := storedFiles{path: path, layers: map[string]manifest.Layer{}}
	var blobs []*safetensors.File
	defer func() {
		if err != nil {
			err = errors.Join(err, (&Source{shards: blobs}).Close())
		}
	}()
	seen := map[manifest.Digest]bool{}
	tensors := 0
	for _, l := range m.Layers {
		if l.MediaType != manifest.MediaTypeTensor {
			beside.add(l)
			continue
		}
		if seen[l.Digest] {
			continue
		}
		seen[l.Digest] = true
		f, err := openBlob(path(l.Digest), l)
		if err != nil {
			return nil, err
		}
		blobs = append(blobs, f)
		if tensors += len(f.Header.Tensors); tensors > safetensors.MaxTensors {
			return nil, fmt.Errorf("the blobs up to that of %s have %d tensors, more than %d", l.Name, tensors, safetensors.MaxTensors)
		}
	}
	raw, err := beside.File(files.Config)
	if err != nil {
		return nil, err
	}
	config, err := arch.ParseConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	inv, err := readStored(config, blobs)
	if err != nil {
		return nil, err
	}
	if inv.Chat, err = files.Read(beside); err != nil {
		return nil, err
	}
	if inv.Chat.Template.File == "" {
		if err := beside.standIn(m, &inv); err != nil {
			return nil, err
		}
	}
	inv.Origin, inv.Files = m.Digest().String(), beside.names()
	s := &Source{inv: inv, shards: blobs, file: beside.File}
	return s, s.check(scheme{})
}

func openBlob(path string, l manifest.Layer) (*safetensors.File, error) {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() { // a pipe would be waited for
		return nil, fmt.Errorf("blob of %s: %s is not a file", l.Name, path)
	}
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, fmt.Errorf("blob of %s: %w", l.Name, err)
	}
	if f.Size() != l.Size {
		return nil, errors.Join(fmt.Errorf("blob of %s: %s has %d bytes, the manifest says %d", l.Name, f.Name(), f.Size(), l.Size), f.Close())
	}
	return f, nil
}

// readStored makes the inventory of blobs.
func readStored(config arch.Config, blobs []*safetensors.File) (Inventory, error) {
	if err := checkNumber(config, blobs); err != nil {
		return Inventory{}, err
	}
	all, err := readArrays(blobs, nil)
	if err != nil {
		return Inventory{}, err
	}
	cl := classifier{config: config, expected: config.Expected(), shards: shardsOf(blobs)}
	var tensors []Tensor
	for b := range bundleStored(all) {
		t, err := cl.classifyStored(b, blobs[b.any().Shard].Header.Metadata)
		if err != nil {
			return Inventory{}, err
		}
		tensors = append(tensors, t)
	}
	inv, err := takeInventory(config, blobs, tensors)
	inv.noteLeftOut(0, 0, cl.inferred)
	return inv, err
}

// storedFiles is the layers of a manifest that are not tensors.
type storedFiles struct {
	path   func(manifest.Digest) string
	layers map[string]manifest.Layer // by file name or, of what is laid over the model, by manifest.Kind
	made   map[string][]byte         // files that stand in for what was not stored
}

func (f storedFiles) add(l manifest.Layer) {
	name := l.Name
	if name == "" && slices.Contains(manifest.LaidOver(), l.MediaType) {
		name = manifest.Kind(l.MediaType)
	}
	if _, twice := f.layers[name]; name != "" && !twice {
		f.layers[name] = l
	}
}

func (f storedFiles) names() []string {
	var names []string
	for name := range f.layers {
		names = append(names, name)
	}
	for name := range f.made {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// File reads a layer, or what stands in for one.
func (f storedFiles) File(name string) ([]byte, error) {
	if b, ok := f.made[name]; ok {
		return b, nil
	}
	l, ok := f.layers[name]
	if !ok {
		return nil, fmt.Errorf("the stored model has no %s: %w", name, fs.ErrNotExist)
	}
	b, err := manifest.ReadBlob(f.path(l.Digest), l)
	if err != nil {
		return nil, fmt.Errorf("blob of %s: %w: %w", name, ErrSource, err)
	}
	return b, nil
}
