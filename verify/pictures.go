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
		c.files = nil
		for _, name := range c.Pictures {
			path := name
			if !filepath.IsAbs(path) {
				path = filepath.Join(dir, path)
			}
			b, err := untrusted.ReadFile(path, min(left, picture.MaxBytes))
			if err != nil {
				return fmt.Errorf("prompt %q: %w", clip(c.Prompt), err)
			}
			if _, err := picture.Decode(b); err != nil {
				return fmt.Errorf("prompt %q: %s: %w", clip(c.Prompt), path, err)
			}
			left -= int64(len(b))
			c.files = append(c.files, b)
		}
	}
	return nil
}

// shown are the pictures of a case for the report, as far as it has room for them.
func (r *run) shown(c Case) []report.Picture {
	var all []report.Picture
	for i, b := range c.files {
		sum := sha256.Sum256(b)
		p := report.Picture{Name: c.Pictures[i], Digest: "sha256:" + hex.EncodeToString(sum[:])}
		if r.pictured+len(b) <= report.PictureBytes {
			p.Data = b
			r.pictured += len(b)
		}
		all = append(all, p)
	}
	return all
}
