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
	kind, mediaType string
	content         []byte
	kept            *manifest.Layer
}

// overlayKinds are the layers that are laid over a model, in the order in which Ollama writes them.
func overlayKinds() []laidLayer {
	return []laidLayer{
		{kind: "template", mediaType: manifest.MediaTypeTemplate}, {kind: "system", mediaType: manifest.MediaTypeSystem},
		{kind: "license", mediaType: manifest.MediaTypeLicense}, {kind: "params", mediaType: manifest.MediaTypeParams},
		{kind: "messages", mediaType: manifest.MediaTypeMessages},
	}
}

// composed puts together what was told and what the name has had. What of that cannot be known is told to w.
func composed(store *manifest.Store, name manifest.Name, told modelfile.Model, w Watcher) (laying, error) {
	l := laying{parts: plan.Parts{Parser: told.Parser, Renderer: told.Renderer, Requires: told.Requires}}
	old, err := store.Lookup(name)
	if err != nil && !errors.Is(err, manifest.ErrNotFound) {
		notef(w, "note: what %s has had is not known, and is replaced: %v", name, err)
	}
	had := l.had(old.Manifest)
	if len(had["params"]) > 0 && len(told.Parameters) > 0 {
		params, err := oldParameters(store, old.Manifest, had["params"][0])
		if err != nil {
			l.dropped = append(l.dropped, "params")
		}
		told.Parameters = told.Parameters.Over(params)
	}
	texts, err := toldTexts(told)
	if err != nil {
		return l, err
	}
	for _, kind := range overlayKinds() {
		content, isTold := texts[kind.kind]
		for _, text := range content {
			kind.content = text
			l.layers = append(l.layers, kind)
		}
		kind.content = nil
		if isTold && len(had[kind.kind]) > 0 {
			l.replaced = append(l.replaced, kind.kind)
		}
		for i := range had[kind.kind] {
			if !isTold {
				kind.kept = &had[kind.kind][i]
				l.layers = append(l.layers, kind)
			}
		}
	}
	l.keepParts(store, old.Manifest)
	return l, nil
}

// had are the layers that were laid over an older model, by kind. The weights of other kinds of model are
// what is replaced, and what was laid over those says nothing to ours.
func (l *laying) had(old manifest.Manifest) map[string][]manifest.Layer {
	had := map[string][]manifest.Layer{}
	likeOurs := slices.ContainsFunc(old.Layers, func(l manifest.Layer) bool { return l.MediaType == manifest.MediaTypeTensor })
	for _, layer := range old.Layers {
		i := slices.IndexFunc(overlayKinds(), func(k laidLayer) bool { return k.mediaType == layer.MediaType })
		switch {
		case slices.Contains(madeKinds, layer.MediaType) || layer.MediaType == manifest.MediaTypeLicense && layer.Name != "":
		case i >= 0 && likeOurs:
			kind := overlayKinds()[i].kind
			had[kind] = append(had[kind], layer)
		case i >= 0:
			l.dropped = append(l.dropped, overlayKinds()[i].kind)
		case likeOurs:
			l.dropped = append(l.dropped, layer.MediaType[strings.LastIndexByte(layer.MediaType, '.')+1:])
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
	if !slices.ContainsFunc(old.Layers, func(l manifest.Layer) bool { return l.MediaType == manifest.MediaTypeTensor }) {
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

// toldTexts are the layers' bytes of what was told, as Ollama writes them, by kind. A kind that was told to
// be empty has none, and one that was not told is not there.
func toldTexts(told modelfile.Model) (map[string][][]byte, error) {
	texts := map[string][][]byte{}
	for kind, text := range map[string]*string{"template": told.Template, "system": told.System} {
		if text != nil {
			texts[kind] = nil
			if *text != "" {
				texts[kind] = [][]byte{[]byte(*text)}
			}
		}
	}
	for _, text := range told.Licenses {
		texts["license"] = append(texts["license"], []byte(text))
	}
	for kind, v := range map[string]any{"params": told.Parameters, "messages": told.Messages} {
		if kind == "params" && len(told.Parameters) == 0 || kind == "messages" && len(told.Messages) == 0 {
			continue
		}
		var b bytes.Buffer
		if err := json.NewEncoder(&b).Encode(v); err != nil {
			return nil, fmt.Errorf("%s of the Modelfile: %w", kind, err)
		}
		texts[kind] = [][]byte{b.Bytes()}
	}
	return texts, nil
}

// list is what will lie over the model.
func (l laying) list() []plan.LaidOver {
	out := []plan.LaidOver{}
	for _, layer := range l.layers {
		out = append(out, plan.LaidOver{Kind: layer.kind, Kept: layer.kept != nil})
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
			l.dropped = append(l.dropped, layer.kind)
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
		if layer.kind == "template" && renderer != "" {
			notef(w, "note: the TEMPLATE is stored, but Ollama writes prompts with the renderer %s, and takes from a template no more than marks of thoughts and tools", renderer)
		}
	}
}
