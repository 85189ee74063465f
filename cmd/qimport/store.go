package main

import (
	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"qimport/manifest"
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

// storeAndNames are the store and the names that the arguments are.
func (c call) storeAndNames() (*manifest.Store, []manifest.Name, error) {
	store, err := c.openStore()
	if err != nil {
		return nil, nil, err
	}
	var names []manifest.Name
	for _, s := range c.Args().Slice() {
		name, err := manifest.ParseName(s)
		if err != nil {
			return nil, nil, err
		}
		names = append(names, name)
	}
	return store, names, nil
}

// size is a number of bytes for people.
func size(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// plural is a number of things: "1 model", "2 models".
func plural(n int, thing string) string { return english.Plural(n, thing, "") }
