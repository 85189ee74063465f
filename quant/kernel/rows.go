package kernel

// Layout says how packed rows are stored.
type Layout uint8

// The layouts of rows, each but Turned a row after row; groups run along a row. E4M3 has a float scale for each
// block of rows and columns, the others one for each group of a row.
const (
	Plain Layout = iota
	NVFP4
	MXFP4
	MXFP8
	Affine
	E4M3
	Turned // plain elements, input by input: of the first input a row after row, then of the second
)

// Rows are N consecutive rows that are stored alike. The bytes are borrowed.
type Rows struct {
	N           int
	Layout      Layout
	Elem        Elem    // Plain, Turned: of the data; Affine, E4M3: of the scales
	Bits, Group int     // Affine
	Global      float32 // NVFP4: the factor of every value
	Data        []byte
	Scales      []byte // E4M3: of the whole matrix
	Biases      []byte // Affine
	// E4M3: the number of the first row in its matrix, and the rows and columns of a block.
	First, Height, Wide int
	Step                int // Turned: elements from one input to the next, N at least
}

// sizes is how many bytes of data and of scales a row of that many columns has or, of Turned, lies before the
// next one.
func (r *Rows) sizes(in int) (data, scales int) {
	switch r.Layout {
	case Plain:
		return in * r.Elem.Size(), 0
	case Turned:
		return r.Elem.Size(), 0
	case NVFP4:
		return in / 2, in / nvfp4Group
	case MXFP4:
		return in / 2, in / mxGroup
	case MXFP8:
		return in, in / mxGroup
	case Affine:
		return in * r.Bits / 8, in / r.Group * r.Elem.Size()
	}
	return in, (in + r.Wide - 1) / r.Wide * r.Elem.Size()
}

// trim cuts the parts to what in columns need, and panics where they are shorter.
func (r Rows) trim(in int) Rows {
	data, scales := r.sizes(in)
	if r.Layout == Turned && r.N > 0 {
		r.Data = r.Data[:((in-1)*r.Step+r.N)*data]
		return r
	}
	r.Data = r.Data[:r.N*data]
	switch {
	case r.Layout == E4M3 && r.N > 0:
		r.Scales = r.Scales[:((r.First+r.N-1)/r.Height+1)*scales]
	case r.Layout != E4M3:
		r.Scales = r.Scales[:r.N*scales]
	}
	if r.Layout == Affine {
		r.Biases = r.Biases[:r.N*scales]
	}
	return r
}

// decode writes row i, of len(dst) columns, with the kernels of one version.
func (r *Rows) decode(s *Set, dst []float32, i int) {
	data, scales := r.sizes(len(dst))
	if r.Layout == Turned {
		for c := range dst {
			dst[c] = r.Elem.load(r.Data, c*r.Step+i)
		}
		return
	}
	codes, at := r.Data[i*data:][:data], i*scales
	switch r.Layout {
	case Plain:
		s.Widen(dst, codes, r.Elem)
	case NVFP4:
		s.DecodeNVFP4(dst, codes, r.Scales[at:][:scales], r.Global)
	case MXFP4:
		s.DecodeMXFP4(dst, codes, r.Scales[at:][:scales])
	case MXFP8:
		s.DecodeMXFP8(dst, codes, r.Scales[at:][:scales])
	case Affine:
		s.DecodeAffine(dst, codes, r.Scales[at:][:scales], r.Biases[at:][:scales], r.Elem, r.Bits, r.Group)
	case E4M3:
		block := r.Scales[(r.First+i)/r.Height*scales:]
		for from := 0; from < len(dst); from += r.Wide {
			to := min(from+r.Wide, len(dst))
			s.DecodeE4M3(dst[from:to], codes[from:to], r.Elem.load(block, from/r.Wide))
		}
	}
}
