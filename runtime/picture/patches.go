package picture

import "math"

// Patches is a picture as a vision tower reads it.
type Patches struct {
	Rows, Columns int // of patches; multiples of the processor's Merge
	// Values are Rows * Columns patches, of 3 * Temporal * Patch * Patch values each: colour, frame, row,
	// column. Patches that become one token follow one another, row by row, and so do these squares.
	Values []float32
}

// Cut resizes a picture and cuts it into patches.
func (p Processor) Cut(in Picture) (Patches, error) {
	width, height, err := p.Size(in.Width, in.Height)
	if err != nil {
		return Patches{}, err
	}
	in = in.Resized(width, height)
	out := Patches{Rows: height / p.Patch, Columns: width / p.Patch}
	out.Values = make([]float32, 0, 3*p.Temporal*width*height)
	for top := 0; top < out.Rows; top += p.Merge {
		for left := 0; left < out.Columns; left += p.Merge {
			for i := range p.Merge * p.Merge {
				out.Values = p.appendPatch(out.Values, in, top+i/p.Merge, left+i%p.Merge)
			}
		}
	}
	return out, nil
}

// appendPatch adds the values of one patch.
func (p Processor) appendPatch(to []float32, in Picture, row, column int) []float32 {
	for c := range 3 {
		mean, deviation := float32(255*p.Mean[c]), float32(255*p.Deviation[c])
		begin := len(to)
		for y := range p.Patch {
			from := 3*((row*p.Patch+y)*in.Width+column*p.Patch) + c
			for x := range p.Patch {
				to = append(to, (float32(in.Pix[from+3*x])-mean)/deviation)
			}
		}
		frame := to[begin:]
		for range p.Temporal - 1 {
			to = append(to, frame...)
		}
	}
	return to
}

// maxRatio is how much longer than the other a side may be.
const maxRatio = 200

// Size is what a picture of that size is resized to: both sides the nearest multiples of Patch * Merge, if
// that has a number of pixels within the limits, else the nearest that have, at about the same ratio.
func (p Processor) Size(width, height int) (w, h int, err error) {
	factor := p.Patch * p.Merge
	if !p.Resize {
		if width%factor != 0 || height%factor != 0 || width < 1 || height < 1 {
			return 0, 0, refuse("it has %d by %d pixels; the model's processor does not resize, and takes multiples of %d", width, height, factor)
		}
		return width, height, nil
	}
	if max(width, height) > maxRatio*min(width, height) {
		return 0, 0, refuse("it has %d by %d pixels; one side must not be more than %d times the other", width, height, maxRatio)
	}
	side := func(n int, by float64, round func(float64) float64) int {
		return int(round(float64(n)*by/float64(factor))) * factor
	}
	w, h = side(width, 1, math.RoundToEven), side(height, 1, math.RoundToEven)
	pixels := float64(width) * float64(height)
	switch {
	case w*h > p.MaxPixels:
		beta := math.Sqrt(pixels / float64(p.MaxPixels))
		w, h = max(factor, shrunk(width, beta, factor)), max(factor, shrunk(height, beta, factor))
	case w*h < p.MinPixels:
		beta := math.Sqrt(float64(p.MinPixels) / pixels)
		w, h = side(width, beta, math.Ceil), side(height, beta, math.Ceil)
	}
	if w*h > 2*mostPixels { // a small limit and a large multiple
		return 0, 0, refuse("it would be resized to %d by %d pixels, more than can be read", w, h)
	}
	return w, h, nil
}

// shrunk is the largest multiple of factor that is not above n / by.
func shrunk(n int, by float64, factor int) int {
	return int(math.Floor(float64(n)/by/float64(factor))) * factor
}
