package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/webp"
)

// ErrPicture marks bytes that are no picture that can be shown to a model; the text says why.
var ErrPicture = errors.New("picture refused")

// What a picture may cost, whatever it is. A phone's photograph has 12 million pixels and 5 MB.
const (
	MaxBytes  = 32 << 20 // of the file
	maxPixels = 1 << 25  // 134 MB as decoded
	maxSide   = 1 << 15
	// maxScanned bounds the pixels that a JPEG goes over, which may do so again and again: usual ones have
	// ten scans.
	maxScanned = 1 << 29
)

// Picture is a still picture as red, green and blue, a byte each, row by row. What it had of
// transparency is left out and not laid over a background, which is what image processors do.
type Picture struct {
	Width, Height int
	Pix           []byte // 3*Width*Height
}

// format is a kind of file that can be decoded.
type format struct {
	name   string
	begins func(b []byte) bool
	config func(b []byte) (image.Config, error)
	decode func(b []byte) (image.Image, error)
	rgb    toRGB
}

func begins(text string) func([]byte) bool {
	return func(b []byte) bool { return bytes.HasPrefix(b, []byte(text)) }
}

// formats are those that can be decoded, by how their files begin.
func formats() []format {
	return []format{
		{"PNG", begins("\x89PNG\r\n\x1a\n"),
			func(b []byte) (image.Config, error) { return png.DecodeConfig(bytes.NewReader(b)) },
			func(b []byte) (image.Image, error) { return png.Decode(bytes.NewReader(b)) }, color.YCbCrToRGB},
		{"JPEG", begins("\xff\xd8\xff"),
			func(b []byte) (image.Config, error) { return jpeg.DecodeConfig(bytes.NewReader(b)) },
			func(b []byte) (image.Image, error) { return jpeg.Decode(bytes.NewReader(b)) }, color.YCbCrToRGB},
		{"GIF", begins("GIF8"),
			func(b []byte) (image.Config, error) { return gif.DecodeConfig(bytes.NewReader(b)) },
			firstFrame, color.YCbCrToRGB},
		{"WebP", func(b []byte) bool { return len(b) >= 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP" },
			func(b []byte) (image.Config, error) { return webp.DecodeConfig(bytes.NewReader(b)) },
			func(b []byte) (image.Image, error) { return webp.Decode(bytes.NewReader(b)) }, studioRGB},
	}
}

// Decode reads a PNG, a JPEG, the first frame of a GIF, or a still WebP. A JPEG that says how the camera
// was held is turned upright.
func Decode(b []byte) (Picture, error) {
	if len(b) > MaxBytes {
		return Picture{}, refuse("it has %d bytes, more than %d", len(b), MaxBytes)
	}
	for _, f := range formats() {
		if f.begins(b) {
			return f.read(b)
		}
	}
	return Picture{}, refuse("it is neither PNG, JPEG, GIF nor WebP")
}

// refuse is an error of what a picture is.
func refuse(text string, args ...any) error {
	return fmt.Errorf("%w: "+text, append([]any{ErrPicture}, args...)...)
}

// read decodes a file of that format, once its header has said how large it is.
func (f format) read(b []byte) (Picture, error) {
	c, err := f.config(b)
	if err != nil {
		return Picture{}, refuse("the header of the %s: %w", f.name, err)
	}
	if c.Width < 1 || c.Height < 1 || c.Width > maxSide || c.Height > maxSide || c.Width*c.Height > maxPixels {
		return Picture{}, refuse("the %s has %d by %d pixels; from 1 to %d a side and %d together can be read", f.name, c.Width, c.Height, maxSide, maxPixels)
	}
	if scans := bytes.Count(b, []byte{0xff, 0xda}); f.name == "JPEG" && scans*c.Width*c.Height > maxScanned {
		return Picture{}, refuse("the JPEG goes over its %d by %d pixels %d times", c.Width, c.Height, scans)
	}
	m, err := f.decode(b)
	if err != nil {
		return Picture{}, refuse("the %s is broken: %w", f.name, err)
	}
	if size := m.Bounds().Size(); size.X != c.Width || size.Y != c.Height {
		return Picture{}, refuse("the %s has %d by %d pixels, but its header says %d by %d", f.name, size.X, size.Y, c.Width, c.Height)
	}
	p := flatten(m, f.rgb)
	if f.name == "JPEG" {
		p = p.upright(orientation(b))
	}
	return p, nil
}

// firstFrame is the first frame of a GIF on the canvas that its header tells. What the frame leaves of it
// is black, as where it is transparent.
func firstFrame(b []byte) (image.Image, error) {
	c, err := gif.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	m, err := gif.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	canvas := image.NewNRGBA(image.Rect(0, 0, c.Width, c.Height))
	at := m.Bounds().Intersect(canvas.Rect)
	for y := at.Min.Y; y < at.Max.Y; y++ {
		for x := at.Min.X; x < at.Max.X; x++ {
			canvas.Set(x, y, m.At(x, y))
		}
	}
	return canvas, nil
}
