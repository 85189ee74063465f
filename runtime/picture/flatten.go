package picture

import (
	"image"
	"image/color"
)

// flatten is a decoded image as red, green and blue, of which rgb makes those of a JPEG or a WebP.
func flatten(m image.Image, rgb toRGB) Picture {
	size := m.Bounds().Size()
	p := Picture{Width: size.X, Height: size.Y, Pix: make([]byte, 3*size.X*size.Y)}
	switch m := m.(type) {
	case *image.NRGBA:
		p.each(func(x, y int, to []byte) { copy(to, m.Pix[y*m.Stride+4*x:][:3]) })
	case *image.YCbCr:
		p.fromYCbCr(m, rgb)
	case *image.NYCbCrA:
		p.fromYCbCr(&m.YCbCr, rgb)
	case *image.Gray:
		p.each(func(x, y int, to []byte) { v := m.Pix[y*m.Stride+x]; to[0], to[1], to[2] = v, v, v })
	case *image.Paletted:
		p.fromPalette(m)
	case *image.CMYK:
		p.each(func(x, y int, to []byte) {
			c := m.Pix[y*m.Stride+4*x:][:4]
			to[0], to[1], to[2] = color.CMYKToRGB(c[0], c[1], c[2], c[3])
		})
	default:
		p.fromColors(m)
	}
	return p
}

// each calls f with every place of the picture and its three bytes.
func (p Picture) each(f func(x, y int, to []byte)) {
	for y := range p.Height {
		for x := range p.Width {
			f(x, y, p.Pix[3*(y*p.Width+x):][:3])
		}
	}
}

// fromColors takes an image of any kind, of deeper colours their upper byte.
func (p Picture) fromColors(m image.Image) {
	from := m.Bounds().Min
	p.each(func(x, y int, to []byte) {
		c := opaque(m.At(from.X+x, from.Y+y))
		copy(to, c[:])
	})
}

// opaque is a colour without its transparency.
func opaque(c color.Color) [3]byte {
	switch c := c.(type) {
	case color.NRGBA64:
		return [3]byte{byte(c.R >> 8), byte(c.G >> 8), byte(c.B >> 8)}
	case color.NRGBA:
		return [3]byte{c.R, c.G, c.B}
	}
	n := color.NRGBAModel.Convert(c).(color.NRGBA)
	return [3]byte{n.R, n.G, n.B}
}

// fromPalette looks colours up. A place outside the palette is black.
func (p Picture) fromPalette(m *image.Paletted) {
	var table [256][3]byte
	for i, c := range m.Palette {
		if i < len(table) {
			table[i] = opaque(c)
		}
	}
	p.each(func(x, y int, to []byte) {
		c := table[m.Pix[y*m.Stride+x]]
		copy(to, c[:])
	})
}
