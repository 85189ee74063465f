package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"

	"qimport/internal/untrusted"
	"qimport/runtime/picture"
	"qimport/verify/report"
)

// maxPictureBytes bounds the pictures of all cases together: they stay in memory.
const maxPictureBytes = 128 << 20

// OpenPictures reads the pictures of cases from files relative to a folder, and sees that they are some.
func OpenPictures(cases []Case, dir string) error {
	left := int64(maxPictureBytes)
	for i := range cases {
		c := &cases[i]
		var err error
		if c.files, err = openPictures(c.Pictures, dir, &left); err != nil {
			return fmt.Errorf("prompt %q: %w", clip(c.Prompt), err)
		}
		for t := range c.Then {
			if c.Then[t].files, err = openPictures(c.Then[t].Pictures, dir, &left); err != nil {
				return fmt.Errorf("prompt %q: turn %d: %w", clip(c.Prompt), t+2, err)
			}
		}
	}
	return nil
}

// openPictures reads files of pictures, as many bytes as are left.
func openPictures(names []string, dir string, left *int64) (all [][]byte, err error) {
	for _, name := range names {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		b, err := untrusted.ReadFile(path, min(*left, picture.MaxBytes))
		if err != nil {
			return nil, err
		}
		if _, err := picture.Decode(b); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		*left -= int64(len(b))
		all = append(all, b)
	}
	return all, nil
}

// shown are the pictures of a turn for the report, as far as it has room for them.
func (r *run) shown(t Turn) []report.Picture {
	var all []report.Picture
	for i, b := range t.files {
		sum := sha256.Sum256(b)
		p := report.Picture{Name: t.Pictures[i], Digest: "sha256:" + hex.EncodeToString(sum[:])}
		if r.pictured+len(b) <= report.PictureBytes {
			p.Data = b
			r.pictured += len(b)
		}
		all = append(all, p)
	}
	return all
}
