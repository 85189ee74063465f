package picture

import "image"

// toRGB makes a colour of brightness and two differences.
type toRGB func(y, cb, cr byte) (r, g, b byte)

// studioRGB is toRGB for WebP, whose brightness goes from 16 to 235, as libwebp computes it.
func studioRGB(y, cb, cr byte) (r, g, b byte) {
	bright, u, v := int(y)*19077>>8, int(cb), int(cr)
	clip := func(x int) byte { return byte(min(max(x>>6, 0), 255)) }
	return clip(bright + v*26149>>8 - 14234), clip(bright - u*6419>>8 - v*13320>>8 + 8708), clip(bright + u*33050>>8 - 17685)
}

// fromYCbCr takes what a JPEG or a WebP holds, of which rgb makes a colour. Colours that were stored at half
// the width, or half of both sides, are spread as libjpeg does it, by a triangle over the neighbours: nearest
// ones would be off by tens of levels where colours meet.
func (p Picture) fromYCbCr(m *image.YCbCr, rgb toRGB) {
	spread := func(plane []byte) func(y int, to []byte) {
		rows := chromaRows{plane: plane, stride: m.CStride, from: m.COffset(m.Rect.Min.X, m.Rect.Min.Y)}
		switch m.SubsampleRatio {
		case image.YCbCrSubsampleRatio422:
			rows.width, rows.height = (p.Width+1)/2, p.Height
			return rows.across
		case image.YCbCrSubsampleRatio420:
			rows.width, rows.height = (p.Width+1)/2, (p.Height+1)/2
			return rows.both
		}
		return func(y int, to []byte) {
			for x := range to {
				to[x] = plane[m.COffset(m.Rect.Min.X+x, m.Rect.Min.Y+y)]
			}
		}
	}
	blue, red := spread(m.Cb), spread(m.Cr)
	cb, cr := make([]byte, p.Width), make([]byte, p.Width)
	for y := range p.Height {
		blue(y, cb)
		red(y, cr)
		luma := m.Y[m.YOffset(m.Rect.Min.X, m.Rect.Min.Y+y):]
		for x := range p.Width {
			to := p.Pix[3*(y*p.Width+x):][:3]
			to[0], to[1], to[2] = rgb(luma[x], cb[x], cr[x])
		}
	}
}

// chromaRows is a plane of colours that has fewer columns than the picture, and perhaps fewer rows.
type chromaRows struct {
	plane         []byte
	stride, from  int
	width, height int
}

func (c chromaRows) row(y int) []byte {
	return c.plane[c.from+min(max(y, 0), c.height-1)*c.stride:][:c.width]
}

// across spreads row y to twice its width: three parts of the nearer value and one of the farther.
func (c chromaRows) across(y int, to []byte) {
	in := c.row(y)
	for x := range to {
		near, far, round := x/2, x/2-1, 1
		if x%2 == 1 {
			far, round = x/2+1, 2
		}
		if far < 0 || far >= c.width {
			to[x] = in[near]
			continue
		}
		to[x] = byte((3*int(in[near]) + int(in[far]) + round) / 4)
	}
}

// both spreads to row y of the picture, with twice the rows and twice the columns.
func (c chromaRows) both(y int, to []byte) {
	near, other := c.row(y/2), c.row(y/2-1)
	if y%2 == 1 {
		other = c.row(y/2 + 1)
	}
	sum := func(x int) int { return 3*int(near[x]) + int(other[x]) }
	for x := range to {
		at, far, round := x/2, x/2-1, 8
		if x%2 == 1 {
			far, round = x/2+1, 7
		}
		if far < 0 || far >= c.width {
			far = at
		}
		to[x] = byte((3*sum(at) + sum(far) + round) / 16)
	}
}
