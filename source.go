package qimport

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"qimport/convert/adapter"
	"qimport/convert/hub"
	"qimport/convert/source"
	"qimport/manifest"
	"qimport/quant"
)

// Source is an open checkpoint, and where it was found.
type Source struct {
	*source.Source
	Found hub.Source
}

// OpenSource finds what a user named, a directory or org/name[@revision], fetching it if need be, and
// reads its headers. The watcher, if there is one, sees a fetch.
func OpenSource(ctx context.Context, named string, w Watcher) (Source, error) {
	found, err := resolve(ctx, named, hub.Whole, w)
	if err != nil {
		return Source{}, err
	}
	opened, err := source.OpenDir(found.Dir)
	return Source{opened, found}, err
}

// openWhole is OpenSource, with the head of another source where one is named, and with adapters that
// change some of the tensors.
func openWhole(ctx context.Context, named, head string, adapters []adapter.Spec, w Watcher) (Source, error) {
	src, err := OpenSource(ctx, named, w)
	if err != nil {
		return src, err
	}
	if head != "" {
		err = takeHead(ctx, src, head, w)
	}
	if err == nil {
		adapters, err = findAdapters(ctx, adapters, w)
	}
	if err == nil {
		err = adapter.Apply(src.Source, adapters)
	}
	if err != nil {
		return src, errors.Join(err, src.Close())
	}
	return src, nil
}

// takeHead gives a source the multi-token-prediction head of another.
func takeHead(ctx context.Context, src Source, named string, w Watcher) error {
	from, err := openHead(ctx, named, w)
	if err != nil {
		return fmt.Errorf("--mtp-from: %w", err)
	}
	if err := src.TakeHead(from); err != nil {
		return errors.Join(fmt.Errorf("--mtp-from: %w", err), from.Close())
	}
	return nil
}

// openHead opens a source for its multi-token-prediction head. Of a repository, only the shards that it is
// in are fetched, unless these do not tell its form.
func openHead(ctx context.Context, named string, w Watcher) (*source.Source, error) {
	found, err := resolve(ctx, named, hub.Head, w)
	if err != nil {
		return nil, err
	}
	if found.Repo == "" {
		return source.OpenDir(found.Dir)
	}
	s, err := source.OpenHead(found.Dir)
	if errors.Is(err, source.ErrHeadAlone) {
		notef(w, "%v: all of %s is looked at", err, found.Repo)
		whole, err := OpenSource(ctx, named, w)
		return whole.Source, err
	}
	return s, err
}

// findAdapters finds the directories of adapters, and fetches those that are named as repositories.
func findAdapters(ctx context.Context, specs []adapter.Spec, w Watcher) ([]adapter.Spec, error) {
	out := slices.Clone(specs)
	for i, spec := range specs {
		found, err := resolve(ctx, spec.Dir, hub.Adapter, w)
		if err != nil {
			return nil, fmt.Errorf("--adapter: %w", err)
		}
		out[i].Dir, out[i].Name = found.Dir, found.Repo
	}
	return out, nil
}

// resolve shows a fetch once the first bytes come: most sources are at hand.
func resolve(ctx context.Context, named string, part hub.Part, w Watcher) (hub.Source, error) {
	var p Progress = unwatched{}
	begun := false
	defer func() { p.End() }()
	return hub.ResolvePart(ctx, named, part, func(done, total int64) {
		if !begun {
			p, begun = begin(w, "fetch"), true
		}
		p.Bytes(done, total)
	})
}

// Label names the source in reports: its repository, or the directory's last part.
func (s Source) Label() string {
	if s.Found.Repo != "" {
		return s.Found.Repo
	}
	dir, err := filepath.Abs(s.Found.Dir)
	if err != nil {
		dir = s.Found.Dir
	}
	return filepath.Base(dir)
}

// notInNames is what a model's name cannot hold.
var notInNames = regexp.MustCompile(`[^a-z0-9._-]+`)

// defaultName is the name of an import that was given none: the source's, with those of adapters, and
// with the type as tag.
func (s Source) defaultName(asked quant.Format) (manifest.Name, error) {
	label := s.Label()
	words := []string{label[strings.LastIndexByte(label, '/')+1:]}
	for _, a := range s.Inventory().Adapters {
		words = append(words, a.Name[strings.LastIndexByte(a.Name, '/')+1:])
	}
	name, err := manifest.ParseName(modelName(words...) + ":" + tagOf(asked))
	if err != nil {
		return name, optionsf("%q makes no name for a model; choose one with --name", label)
	}
	return name, nil
}

// importName is the name to publish under. Where the store has it in another case, that one is
// meant, as with Ollama.
func importName(store *manifest.Store, src Source, o ImportOptions) (manifest.Name, error) {
	name, err := src.defaultName(o.Plan.Recipe.Type)
	if o.Name != "" {
		name, err = manifest.ParseName(o.Name)
	}
	if err != nil {
		return name, err
	}
	if existing, err := store.Lookup(name); err == nil {
		return existing.Name, nil
	}
	return name, nil
}
