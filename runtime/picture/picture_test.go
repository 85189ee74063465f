package picture

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// made is what transformers' image processor made of a picture; see oracle/pictures.py.
type made struct {
	Picture, Processor   string
	Rows, Columns, Count int
	At                   []int
	Values               []float64
}

func readMade(t *testing.T) (all []made) {
	t.Helper()
	b, err := os.ReadFile("testdata/pictures.json")
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil || len(all) < 20 {
		t.Fatalf("%d goldens: %v", len(all), err)
	}
	return all
}

func readPicture(t testing.TB, name string) Picture {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Decode(b)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p
}

// levels is how far a decoder's bytes may be from PIL's: libjpeg and libwebp round otherwise on their way
// than Go's decoders do; the rest is lossless.
func levels(name string) int {
	switch {
	case strings.HasSuffix(name, ".jpg"):
		return 3
	case name == "lossy.webp":
		return 3
	}
	return 0
}

// farthest is the largest difference of two pictures of one size.
func farthest(t *testing.T, a, b Picture) (worst int) {
	t.Helper()
	if a.Width != b.Width || a.Height != b.Height {
		t.Fatalf("%d by %d pixels, want %d by %d", a.Width, a.Height, b.Width, b.Height)
	}
	for i := range a.Pix {
		worst = max(worst, int(a.Pix[i])-int(b.Pix[i]), int(b.Pix[i])-int(a.Pix[i]))
	}
	return worst
}

// TestDecode holds every format to what PIL decodes.
func TestDecode(t *testing.T) {
	wanted, err := filepath.Glob("testdata/*.rgb.png")
	if err != nil || len(wanted) < 15 {
		t.Fatalf("%d goldens: %v", len(wanted), err)
	}
	for _, path := range wanted {
		name := strings.TrimSuffix(filepath.Base(path), ".rgb.png")
		t.Run(name, func(t *testing.T) {
			if d := farthest(t, readPicture(t, name), readPicture(t, name+".rgb.png")); d > levels(name) {
				t.Errorf("off by up to %d levels", d)
			} else {
				t.Logf("off by up to %d levels", d)
			}
		})
	}
}

func processors() map[string]Processor {
	p := Processor{Patch: 16, Merge: 2, Temporal: 2, Resize: true, Mean: [3]float64{0.5, 0.5, 0.5}, Deviation: [3]float64{0.5, 0.5, 0.5}}
	small, release := p, p
	small.MinPixels, small.MaxPixels = 4096, 65536
	release.MinPixels, release.MaxPixels = 65536, 16777216
	return map[string]Processor{"small": small, "release": release}
}

// TestResized: what torchvision resizes is met to the byte.
func TestResized(t *testing.T) {
	seen := 0
	for kind, p := range processors() {
		wanted, err := filepath.Glob("testdata/*." + kind + ".png")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range wanted {
			name := strings.TrimSuffix(filepath.Base(path), "."+kind+".png")
			from := readPicture(t, name)
			if strings.HasSuffix(name, ".jpg") { // of what PIL decodes
				from = readPicture(t, name+".rgb.png")
			}
			w, h, err := p.Size(from.Width, from.Height)
			if err != nil {
				t.Fatal(err)
			}
			seen++
			if d := farthest(t, from.Resized(w, h), readPicture(t, filepath.Base(path))); d > 0 {
				t.Errorf("%s: off by up to %d levels", path, d)
			}
		}
	}
	if seen < 8 {
		t.Errorf("only %d goldens", seen)
	}
}

// TestCut holds patches to those of the processor.
func TestCut(t *testing.T) {
	for _, m := range readMade(t) {
		patches, err := processors()[m.Processor].Cut(readPicture(t, m.Picture))
		if err != nil {
			t.Fatal(err)
		}
		if patches.Rows != m.Rows || patches.Columns != m.Columns || len(patches.Values) != m.Count {
			t.Errorf("%s: %d by %d patches of %d values, want %d by %d of %d", m.Picture, patches.Rows, patches.Columns, len(patches.Values), m.Rows, m.Columns, m.Count)
			continue
		}
		limit, worst := 1e-6+float64(levels(m.Picture))/127.5, 0.0
		for i, at := range m.At {
			d := float64(patches.Values[at]) - m.Values[i]
			worst = max(worst, d, -d)
		}
		if worst > limit {
			t.Errorf("%s, %s: values are off by up to %.3g, more than %.3g", m.Picture, m.Processor, worst, limit)
		}
	}
}

func TestSize(t *testing.T) {
	small := processors()["small"]
	for _, c := range []struct{ width, height, w, h int }{
		{64, 64, 64, 64}, {96, 128, 96, 128}, {16, 16, 64, 64}, {48, 80, 64, 64}, {1000, 1000, 256, 256}, {4001, 20, 0, 0}, {4000, 25, 3232, 32},
	} {
		w, h, err := small.Size(c.width, c.height)
		if (err != nil) != (c.w == 0) || err == nil && (w != c.w || h != c.h) {
			t.Errorf("%d by %d: %d by %d, %v; want %d by %d", c.width, c.height, w, h, err, c.w, c.h)
		}
	}
	small.Resize = false
	if _, _, err := small.Size(64, 60); !errors.Is(err, ErrPicture) {
		t.Errorf("a size that the processor does not take: %v", err)
	}
}

func TestReadProcessor(t *testing.T) {
	const fixture = `{"do_normalize": true, "do_rescale": true, "do_resize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
		"image_processor_type": "Qwen2VLImageProcessorFast", "patch_size": 16, "merge_size": 2, "temporal_patch_size": 2,
		"size": {"longest_edge": 65536, "shortest_edge": 4096}}`
	got, err := ReadProcessor([]byte(fixture))
	if want := processors()["small"]; err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	joint, err := ReadProcessor([]byte(`{"image_processor": ` + fixture + `}`))
	if err != nil || joint != got {
		t.Errorf("%+v, %v", joint, err)
	}
	for text, says := range map[string]string{
		`[]`:                  "cannot unmarshal",
		`{"patch_size": 0}`:   "patch_size is 0",
		`{"patch_size": 1e9}`: "cannot unmarshal",
		`{"image_processor_type": "CLIPImageProcessor"}`: `"CLIPImageProcessor" is not known`,
		`{"resample": 2}`:                         "resample 2 is not supported",
		`{"image_std": [0, 1, 1]}`:                "image_std some above 0",
		`{"image_mean": [1]}`:                     "have 1 and 3 numbers",
		`{"min_pixels": 99, "max_pixels": 9}`:     "at least 99 and at most 9",
		`{"rescale_factor": 0}`:                   "rescale_factor 0",
		`{"image_processor": {"merge_size": -1}}`: "merge_size is -1",
	} {
		if _, err := ReadProcessor([]byte(text)); !errors.Is(err, ErrProcessor) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
