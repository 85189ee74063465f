package picture

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// FuzzDecode: whatever the bytes are, they are refused by name or become a picture of the size that they
// say, and patches of it.
func FuzzDecode(f *testing.F) {
	all, err := filepath.Glob("testdata/*.*")
	if err != nil || len(all) < 20 {
		f.Fatalf("%d pictures: %v", len(all), err)
	}
	for _, path := range all {
		if b, err := os.ReadFile(path); err == nil && len(b) < 6<<10 && filepath.Ext(path) != ".json" {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, kind := range formats() { // what is slow to decode has been seen by TestHostile
			if c, err := kind.config(b); kind.begins(b) && err == nil && c.Width*c.Height > 1<<13 {
				t.Skip()
			}
		}
		p, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrPicture) {
				t.Fatalf("refused without saying so: %v", err)
			}
			return
		}
		if len(p.Pix) != 3*p.Width*p.Height || p.Width < 1 || p.Height < 1 {
			t.Fatalf("%d bytes of %d by %d pixels", len(p.Pix), p.Width, p.Height)
		}
		small := processors()["small"]
		patches, err := small.Cut(p)
		if err != nil && !errors.Is(err, ErrPicture) {
			t.Fatalf("refused without saying so: %v", err)
		}
		if err == nil && (len(patches.Values) != patches.Rows*patches.Columns*3*2*16*16 || patches.Rows%2+patches.Columns%2 != 0) {
			t.Fatalf("%d values of %d by %d patches", len(patches.Values), patches.Rows, patches.Columns)
		}
	})
}

// FuzzProcessor: what a processor file says is refused by name, or within the limits.
func FuzzProcessor(f *testing.F) {
	f.Add([]byte(`{"size": {"longest_edge": 65536, "shortest_edge": 4096}, "patch_size": 16, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}`))
	f.Add([]byte(`{"image_processor": {"min_pixels": 1, "max_pixels": 2, "resample": 3, "do_rescale": false, "rescale_factor": 1}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ReadProcessor(b)
		if err != nil {
			if !errors.Is(err, ErrProcessor) {
				t.Fatalf("refused without saying so: %v", err)
			}
			return
		}
		for _, side := range [][2]int{{1, 1}, {200, 1}, {640, 480}} {
			w, h, err := p.Size(side[0], side[1])
			if err != nil && !errors.Is(err, ErrPicture) {
				t.Fatalf("refused without saying so: %v", err)
			}
			if err == nil && (w < 1 || h < 1 || w*h > 2*mostPixels || w%(p.Patch*p.Merge) != 0 || h%(p.Patch*p.Merge) != 0) {
				t.Fatalf("%+v makes %d by %d of %v", p, w, h, side)
			}
		}
	})
}
