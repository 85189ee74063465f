package drawn

import (
	"bytes"
	"image"
	"image/png"
	"testing"
)

func TestPNG(t *testing.T) {
	file := PNG(64, 32, Shape{Colour: Blue, At: image.Pt(16, 16), Reach: 8}, Shape{Circle: true, Colour: Red, At: image.Pt(20, 16), Reach: 8})
	m, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if size := m.Bounds().Size(); size != image.Pt(64, 32) {
		t.Errorf("it has %v pixels", size)
	}
	for at, want := range map[image.Point]any{
		image.Pt(8, 8): Blue, image.Pt(7, 8): Ground, // a corner of the square, and beside it
		image.Pt(28, 16): Red, image.Pt(29, 16): Ground, // the edge of the circle
		image.Pt(28, 8):  Ground, // a corner around the circle
		image.Pt(20, 16): Red,    // on top
		image.Pt(63, 31): Ground,
	} {
		if got := m.At(at.X, at.Y); got != want {
			t.Errorf("at %v it is %v, want %v", at, got, want)
		}
	}
}
