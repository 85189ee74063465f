package main

import (
	"fmt"

	"qimport/internal/untrusted"
	"qimport/runtime/picture"
)

// readPictures reads files of pictures, and sees that they are some before a model is loaded.
func readPictures(paths []string) ([][]byte, error) {
	var all [][]byte
	for _, path := range paths {
		b, err := untrusted.ReadFile(path, picture.MaxBytes)
		if err != nil {
			return nil, err
		}
		if _, err := picture.Decode(b); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, b)
	}
	return all, nil
}
