package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"os"
	"strings"
	"testing"
)

// withSize is a PNG whose header says another size.
func withSize(b []byte, width, height uint32) []byte {
	b = bytes.Clone(b)
	binary.BigEndian.PutUint32(b[16:], width)
	binary.BigEndian.PutUint32(b[20:], height)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return b
}

// repeatedScans is a progressive JPEG of that size whose last scan comes again and again.
func repeatedScans(b []byte, side uint16, times int) []byte {
	b = bytes.Clone(b)
	at := bytes.Index(b, []byte{0xff, 0xc2})
	binary.BigEndian.PutUint16(b[at+5:], side)
	binary.BigEndian.PutUint16(b[at+7:], side)
	last := bytes.LastIndex(b, []byte{0xff, 0xda})
	return append(b[:len(b)-2], bytes.Repeat(b[last:len(b)-2], times)...)
}

// TestHostile: what is too large, cut short or of no kind is refused before it is decoded.
func TestHostile(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	small, photo, progressive := read("rgb.png"), read("420.jpg"), read("odd.jpg")
	for _, c := range []struct {
		name, says string
		b          []byte
	}{
		{"nothing", "neither PNG", nil},
		{"text", "neither PNG", []byte("<svg/>")},
		{"too many bytes", "more than 33554432", append(bytes.Clone(small), make([]byte, MaxBytes)...)},
		{"wide header", "40000 by 75 pixels", withSize(small, 40000, 75)},
		{"a header of too many pixels", "30000 by 30000 pixels", withSize(small, 30000, 30000)},
		{"a header of more pixels than there are", "the PNG is broken", withSize(small, 100, 76)},
		{"no pixels", "header of the PNG", withSize(small, 0, 75)},
		{"PNG cut short", "the PNG is broken", small[:len(small)/2]},
		{"JPEG cut short", "the JPEG is broken", photo[:len(photo)/2]},
		{"WebP cut short", "WebP", read("lossy.webp")[:60]},
		{"GIF of a header", "header of the GIF", read("first.gif")[:13]},
		{"a JPEG of endless scans", "times", repeatedScans(progressive, 5000, 100)},
	} {
		if _, err := Decode(c.b); !errors.Is(err, ErrPicture) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestSmallFrame: the first frame of a GIF may be smaller than the picture, and off its corner.
func TestSmallFrame(t *testing.T) {
	frame := image.NewPaletted(image.Rect(2, 1, 4, 3), color.Palette{color.NRGBA{200, 10, 20, 255}})
	var b bytes.Buffer
	err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{frame}, Delay: []int{0}, Config: image.Config{Width: 6, Height: 4, ColorModel: frame.Palette}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Decode(b.Bytes())
	if err != nil || p.Width != 6 || p.Height != 4 {
		t.Fatalf("%d by %d: %v", p.Width, p.Height, err)
	}
	if at := p.Pix[3*(1*6+2):][:3]; at[0] != 200 {
		t.Errorf("the frame's corner is %v", at)
	}
	if at := p.Pix[:3]; at[0] != 0 {
		t.Errorf("beside the frame it is %v", at)
	}
}

// TestDeep: of 16 bits a colour, the upper 8 count.
func TestDeep(t *testing.T) {
	deep := image.NewNRGBA64(image.Rect(0, 0, 2, 1))
	deep.Set(1, 0, color.NRGBA64{0x12ff, 0x8000, 0xfe01, 0x4000})
	var b bytes.Buffer
	if err := png.Encode(&b, deep); err != nil {
		t.Fatal(err)
	}
	p, err := Decode(b.Bytes())
	if err != nil || !bytes.Equal(p.Pix[3:], []byte{0x12, 0x80, 0xfe}) {
		t.Errorf("%v, %v", p.Pix, err)
	}
}
