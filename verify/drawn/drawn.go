// Package drawn draws the pictures that models are asked about: plain shapes in plain colours on a grey
// ground, whose names any model that sees has learnt.
//
// It must not know models, questions or checks.
package drawn

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
)

// Shape is a circle, or else a square, around a place.
type Shape struct {
	Circle bool
	Colour color.RGBA
	At     image.Point // its middle
	Reach  int         // from there to its edge
}

// The colours of shapes, and of what is behind them.
var (
	Red    = color.RGBA{220, 40, 40, 255}
	Green  = color.RGBA{40, 170, 70, 255}
	Blue   = color.RGBA{40, 70, 220, 255}
	Yellow = color.RGBA{235, 210, 40, 255}
	Ground = color.RGBA{200, 200, 205, 255}
)

// covers says whether a point is part of the shape.
func (s Shape) covers(p image.Point) bool {
	d := p.Sub(s.At)
	if s.Circle {
		return d.X*d.X+d.Y*d.Y <= s.Reach*s.Reach
	}
	return max(d.X, -d.X, d.Y, -d.Y) <= s.Reach
}

// PNG is a picture of shapes, the last on top, as a file.
func PNG(width, height int, shapes ...Shape) []byte {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := Ground
			for _, s := range shapes {
				if s.covers(image.Pt(x, y)) {
					c = s.Colour
				}
			}
			m.SetRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err) // memory takes what is written
	}
	return b.Bytes()
}
