package qimport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"qimport/convert/modelfile"
	"qimport/convert/ollama"
	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/manifest"
	"qimport/verify"
)

// laying is what an import lays over a model: what it was told, and of what the name has had that which
// nothing told replaces. To import again is to renew the weights, not to take back a SYSTEM or a PARAMETER.
type laying struct {
	layers   []laidLayer
	parts    plan.Parts
	named    []plan.LaidOver // parts that are not the usual ones
	replaced []string
	dropped  []string // of the name, which could not be kept
}

// laidLayer is one layer: bytes, or a layer of the name.
type laidLayer struct {
	mediaType string
	content   []byte
	kept      *manifest.Layer
}

func (l laidLayer) kind() string { return manifest.Kind(l.mediaType) }

// composed puts together what was told and what the name has had. What of that cannot be known is told to w.
func composed(store *manifest.Store, name manifest.Name, told modelfile.Model, w Watcher) (laying, error) {
	l := laying{parts: partsOf(told)}
	old, err := store.Lookup(name)
	if err != nil && !errors.Is(err, manifest.ErrNotFound) {
		notef(w, "note: what %s has had is not known, and is replaced: %v", name, err)
	}
	had := l.had(old.Manifest)
	if params := had[manifest.MediaTypeParams]; len(params) > 0 && len(told.Parameters) > 0 {
		params, err := oldParameters(store, old.Manifest, params[0])
		if err != nil {
			l.dropped = append(l.dropped, "params")
		}
		told.Parameters = told.Parameters.Over(params)
	}
	texts, err := toldTexts(told)
	if err != nil {
		return l, err
	}
	for _, mediaType := range manifest.LaidOver() {
		content, isTold := texts[mediaType]
		for _, text := range content {
			l.layers = append(l.layers, laidLayer{mediaType: mediaType, content: text})
		}
		kept := had[mediaType]
		if isTold && len(kept) > 0 {
			l.replaced, kept = append(l.replaced, manifest.Kind(mediaType)), nil
		}
		for i := range kept {
			l.layers = append(l.layers, laidLayer{mediaType: mediaType, kept: &kept[i]})
		}
	}
	l.keepParts(store, old.Manifest)
	return l, nil
}

// isOurs says whether a model is of the kind that an import makes. The weights of other kinds are what is
// replaced, and what was laid over those says nothing to ours.
func isOurs(m manifest.Manifest) bool {
	return slices.ContainsFunc(m.Layers, func(l manifest.Layer) bool { return l.MediaType == manifest.MediaTypeTensor })
}

// had are the layers that were laid over an older model, by media type.
func (l *laying) had(old manifest.Manifest) map[string][]manifest.Layer {
	had := map[string][]manifest.Layer{}
	ours := isOurs(old)
	for _, layer := range old.Layers {
		laid := slices.Contains(manifest.LaidOver(), layer.MediaType)
		switch {
		case slices.Contains(madeKinds, layer.MediaType) || layer.MediaType == manifest.MediaTypeLicense && layer.Name != "":
		case laid && ours:
			had[layer.MediaType] = append(had[layer.MediaType], layer)
		case laid || ours:
			l.dropped = append(l.dropped, manifest.Kind(layer.MediaType))
		}
	}
	return had
}

// keepParts keeps a parser, a renderer or a least version that an older model has had in place of its usual
// one, where nothing else was told.
func (l *laying) keepParts(store *manifest.Store, old manifest.Manifest) {
	note := func(kind, told string) {
		if told != "" {
			l.named = append(l.named, plan.LaidOver{Kind: kind + " " + told})
		}
	}
	note("parser", l.parts.Parser)
	note("renderer", l.parts.Renderer)
	note("requires", l.parts.Requires)
	if !isOurs(old) {
		return
	}
	src, err := source.OpenStored(old, store.Blob)
	if err != nil {
		return // one that cannot be opened is replaced
	}
	defer src.Close()
	had, usual := readConfig(store, old), plan.UsualParts(src.Inventory())
	keep := func(kind string, to *string, had, usual string, check func(string) error) {
		if *to == "" && had != "" && had != usual && check(had) == nil {
			*to = had
			l.named = append(l.named, plan.LaidOver{Kind: kind + " " + had, Kept: true})
		}
	}
	keep("parser", &l.parts.Parser, had.Parser, usual.Parser, ollama.CheckParser)
	keep("renderer", &l.parts.Renderer, had.Renderer, usual.Renderer, ollama.CheckRenderer)
	keep("requires", &l.parts.Requires, had.Requires, usual.Requires, func(s string) error { _, err := ollama.ParseRequires(s); return err })
}

// oldParameters are those of a layer of an older model.
func oldParameters(store *manifest.Store, old manifest.Manifest, l manifest.Layer) (p modelfile.Parameters, err error) {
	err = Model{Target: verify.Staged("", old, store.Blob), store: store}.overlayJSON(l, &p)
	return p, err
}

// toldTexts are the layers' bytes of what was told, as Ollama writes them, by media type. What was told to be
// empty has none, and what was not told is not there.
func toldTexts(told modelfile.Model) (map[string][][]byte, error) {
	texts := map[string][][]byte{}
	for mediaType, text := range map[string]*string{manifest.MediaTypeTemplate: told.Template, manifest.MediaTypeSystem: told.System} {
		if text != nil {
			texts[mediaType] = nil
			if *text != "" {
				texts[mediaType] = [][]byte{[]byte(*text)}
			}
		}
	}
	for _, text := range told.Licenses {
		texts[manifest.MediaTypeLicense] = append(texts[manifest.MediaTypeLicense], []byte(text))
	}
	documents := map[string]any{}
	if len(told.Parameters) > 0 {
		documents[manifest.MediaTypeParams] = told.Parameters
	}
	if len(told.Messages) > 0 {
		documents[manifest.MediaTypeMessages] = told.Messages
	}
	for mediaType, v := range documents {
		var b bytes.Buffer
		if err := json.NewEncoder(&b).Encode(v); err != nil {
			return nil, fmt.Errorf("%s of the Modelfile: %w", manifest.Kind(mediaType), err)
		}
		texts[mediaType] = [][]byte{b.Bytes()}
	}
	return texts, nil
}

// list is what will lie over the model.
func (l laying) list() []plan.LaidOver {
	out := []plan.LaidOver{}
	for _, layer := range l.layers {
		out = append(out, plan.LaidOver{Kind: layer.kind(), Kept: layer.kept != nil})
	}
	return append(out, l.named...)
}

// lay adds the layers to a staged model, and says what was kept, replaced and lost.
func (s *staged) lay(ctx context.Context, name manifest.Name, l laying, w Watcher) error {
	for _, layer := range l.layers {
		if layer.kept != nil {
			if s.Reuse(ctx, "over "+layer.kept.Digest.String(), *layer.kept) {
				s.manifest.Layers = append(s.manifest.Layers, *layer.kept)
				continue
			}
			l.dropped = append(l.dropped, layer.kind())
			continue
		}
		put, err := s.putOnce(layer)
		if err != nil {
			return err
		}
		s.manifest.Layers = append(s.manifest.Layers, put)
	}
	l.tell(name, w)
	return nil
}

// putOnce writes a layer's bytes, unless an earlier run has.
func (s *staged) putOnce(l laidLayer) (manifest.Layer, error) {
	key := "over " + l.mediaType + " " + manifest.DigestOf(l.content).String()
	if done, ok := s.Done(key); ok {
		return done, nil
	}
	return s.Put(key, l.mediaType, "", l.content)
}

// tell says what became of that which a name has had.
func (l laying) tell(name manifest.Name, w Watcher) {
	var kept []string
	for _, k := range l.list() {
		if k.Kept && !slices.Contains(l.dropped, k.Kind) {
			kept = append(kept, k.Kind)
		}
	}
	if len(kept) > 0 {
		notef(w, "note: %s keeps what was laid over it: %s; to start without, remove the name first", name, strings.Join(kept, ", "))
	}
	if len(l.replaced) > 0 {
		notef(w, "note: %s gets other than it had: %s", name, strings.Join(l.replaced, ", "))
	}
	if len(l.dropped) > 0 {
		notef(w, "note: %s loses what was laid over it: %s; they are of another kind of model, or damaged", name, strings.Join(l.dropped, ", "))
	}
}

// warnTemplate says that a TEMPLATE is not looked at where a renderer writes the prompt.
func (l laying) warnTemplate(renderer string, w Watcher) {
	for _, layer := range l.layers {
		if layer.mediaType == manifest.MediaTypeTemplate && renderer != "" {
			notef(w, "note: the TEMPLATE is stored, but Ollama writes prompts with the renderer %s, and takes from a template no more than marks of thoughts and tools", renderer)
		}
	}
}
