package qimport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"qimport/manifest"
	"qimport/runtime"
	"qimport/verify"
)

// Model is a model to read, run or judge: of the store, or a directory.
type Model struct {
	verify.Target
	store *manifest.Store // nil for a directory
}

// Find finds what NAME|DIR means: a path that begins with a dot or a slash is a directory; else a
// name of the store; else a directory after all.
func Find(stores Stores, named string) (Model, error) {
	if strings.HasPrefix(named, ".") || strings.HasPrefix(named, "/") {
		return directory(named)
	}
	store, err := stores()
	if err != nil {
		return Model{}, err
	}
	name, err := manifest.ParseName(named)
	if err == nil {
		var target verify.Target
		if target, err = verify.Stored(store, name); err == nil {
			return Model{target, store}, nil
		}
	}
	if !errors.Is(err, manifest.ErrNotFound) && !errors.Is(err, manifest.ErrBadName) {
		return Model{}, err
	}
	if m, dirErr := directory(named); dirErr == nil {
		return m, nil
	}
	return Model{}, err
}

// directory is a checkpoint directory as a model.
func directory(dir string) (Model, error) {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return Model{}, fmt.Errorf("there is no directory %s", dir)
	}
	if err != nil {
		return Model{}, err
	}
	if !info.IsDir() {
		return Model{}, fmt.Errorf("%s is a file, not the directory of a checkpoint", dir)
	}
	return Model{Target: verify.Directory(dir, dir)}, nil
}

// Load loads a model, ready to run. The caller closes it, and with it the files that it lies in.
func Load(ctx context.Context, m Model, o runtime.Options) (*runtime.Model, error) {
	src, err := m.Open()
	if err != nil {
		return nil, err
	}
	loaded, err := runtime.Load(ctx, src, o)
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	loaded.CloseWith(src)
	return loaded, nil
}
