package picture

import "math"

// Resized is the picture in another size: bicubic, over as many pixels as one of the result covers, first
// along rows and then along columns, rounded to bytes each time. It gives the bytes of
// torchvision.transforms.v2 (bicubic, antialias=True, of uint8), which transformers'
// processors use where torchvision is installed: its weights have 16 bits. Those of PIL have 22.
func (p Picture) Resized(width, height int) Picture {
	if width != p.Width {
		p = p.across(taps(p.Width, width))
	}
	if height != p.Height {
		p = p.down(taps(p.Height, height))
	}
	return p
}

// tap is what one pixel of a result is made of: weights of the pixels from from on, in units of
// 1 / 2^shift.
type tap struct {
	from    int
	weights []int32
}

// filter is the taps of all pixels along one side.
type filter struct {
	taps  []tap
	shift uint
}

// cubic is the kernel of bicubic antialiasing, with a = -0.5, which is 0 beyond 2.
func cubic(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return (((x-5)*x+8)*x - 4) * a
	}
	return 0
}

// taps are those from a side of n pixels to one of m.
func taps(n, m int) filter {
	scale := float64(n) / float64(m)
	stretch := math.Max(scale, 1)
	support := 2 * stretch
	real, largest := make([][]float64, m), 0.0
	f := filter{taps: make([]tap, m)}
	for i := range real {
		centre := scale * (float64(i) + 0.5)
		from := max(int(centre-support+0.5), 0)
		end := min(int(centre+support+0.5), n)
		sum := 0.0
		for j := from; j < end; j++ {
			w := cubic((float64(j) - centre + 0.5) / stretch)
			real[i] = append(real[i], w)
			sum += w
		}
		for j := range real[i] {
			real[i][j] /= sum
			largest = math.Max(largest, real[i][j])
		}
		f.taps[i].from = from
	}
	for f.shift < 22 && int(0.5+largest*float64(int(1)<<(f.shift+1))) < 1<<15 {
		f.shift++
	}
	for i, weights := range real {
		for _, w := range weights {
			f.taps[i].weights = append(f.taps[i].weights, int32(math.Round(w*float64(int(1)<<f.shift))))
		}
	}
	return f
}

// sum is what a tap makes of the bytes of one colour, of which each is step after the one before.
func (f filter) sum(t tap, in []byte, step int) byte {
	total := int32(1) << (f.shift - 1)
	for j, w := range t.weights {
		total += w * int32(in[j*step])
	}
	return byte(min(max(total>>f.shift, 0), 255))
}

// across filters every row.
func (p Picture) across(f filter) Picture {
	out := Picture{Width: len(f.taps), Height: p.Height, Pix: make([]byte, 3*len(f.taps)*p.Height)}
	out.each(func(x, y int, to []byte) {
		t := f.taps[x]
		for c := range to {
			to[c] = f.sum(t, p.Pix[3*(y*p.Width+t.from)+c:], 3)
		}
	})
	return out
}

// down filters every column.
func (p Picture) down(f filter) Picture {
	out := Picture{Width: p.Width, Height: len(f.taps), Pix: make([]byte, 3*p.Width*len(f.taps))}
	out.each(func(x, y int, to []byte) {
		t := f.taps[y]
		for c := range to {
			to[c] = f.sum(t, p.Pix[3*(t.from*p.Width+x)+c:], 3*p.Width)
		}
	})
	return out
}
