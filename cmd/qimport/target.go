package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/dustin/go-humanize"

	"qimport/manifest"
	"qimport/verify"
)

// openStore opens the store that the user means. Nothing is made on the disk by that.
func (c call) openStore() (*manifest.Store, error) {
	root := c.String("store")
	if root == "" {
		var err error
		if root, err = manifest.DefaultRoot(); err != nil {
			return nil, err
		}
	}
	return manifest.Open(root)
}

// target finds the model that NAME|DIR means: a path that begins with a dot or a slash is a
// directory; else a name of the store; else a directory after all.
func (c call) target(named string) (verify.Target, error) {
	if strings.HasPrefix(named, ".") || strings.HasPrefix(named, "/") {
		return directory(named)
	}
	store, err := c.openStore()
	if err != nil {
		return verify.Target{}, err
	}
	name, err := manifest.ParseName(named)
	if err == nil {
		var target verify.Target
		if target, err = verify.Stored(store, name); err == nil {
			return target, nil
		}
	}
	if !errors.Is(err, manifest.ErrNotFound) && !errors.Is(err, manifest.ErrBadName) {
		return verify.Target{}, err
	}
	if target, dirErr := directory(named); dirErr == nil {
		return target, nil
	}
	return verify.Target{}, err
}

// directory is a checkpoint directory as a model.
func directory(dir string) (verify.Target, error) {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return verify.Target{}, fmt.Errorf("there is no directory %s", dir)
	}
	if err != nil {
		return verify.Target{}, err
	}
	if !info.IsDir() {
		return verify.Target{}, fmt.Errorf("%s is a file, not the directory of a checkpoint", dir)
	}
	return verify.Directory(dir, dir), nil
}

// storedName parses a model's name and looks it up.
func (c call) entry(named string) (*manifest.Store, manifest.Entry, error) {
	store, err := c.openStore()
	if err != nil {
		return nil, manifest.Entry{}, err
	}
	name, err := manifest.ParseName(named)
	if err != nil {
		return nil, manifest.Entry{}, err
	}
	e, err := store.Lookup(name)
	return store, e, err
}

// size is a number of bytes for people.
func size(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// plural is a number of things: "1 model", "2 models".
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
