package verify

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/verify/report"
)

// dot is a picture of one pixel.
func dot(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestOpenPictures(t *testing.T) {
	dir := t.TempDir()
	for name, b := range map[string][]byte{"dot.png": dot(t), "text.png": []byte("a text")} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cases := []Case{{Prompt: "a"}, {Prompt: "b", Pictures: []string{"dot.png", filepath.Join(dir, "dot.png")}}}
	if err := (Options{Level: report.Smoke, Cases: cases}).validate(); err == nil || !strings.Contains(err.Error(), "not opened") {
		t.Errorf("unopened: %v", err)
	}
	if err := OpenPictures(cases, dir); err != nil {
		t.Fatal(err)
	}
	if err := (Options{Level: report.Smoke, Cases: cases}).validate(); err != nil {
		t.Error(err)
	}
	if got := cases[1].turns()[0].put()[0].Pictures; len(got) != 2 || !bytes.Equal(got[1], dot(t)) {
		t.Errorf("%d pictures are asked about", len(got))
	}
	for name, says := range map[string]string{"text.png": "text.png: picture refused", "none.png": "no such file"} {
		if err := OpenPictures([]Case{{Prompt: "a", Pictures: []string{name}}}, dir); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestShownPictures: a report holds pictures as far as it has room, and names and digests of all.
func TestShownPictures(t *testing.T) {
	large := make([]byte, report.PictureBytes-10)
	var r run
	got := r.shown(Turn{Pictures: []string{"large", "dot", "small"}, files: [][]byte{large, dot(t), make([]byte, 10)}})
	if len(got) != 3 || got[0].Data == nil || got[1].Data != nil || got[2].Data == nil || got[1].Name != "dot" || len(got[1].Digest) != 71 {
		t.Errorf("%d pictures: %t %t %t", len(got), got[0].Data != nil, got[1].Data != nil, got[2].Data != nil)
	}
}
