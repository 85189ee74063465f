package kernel

// Set is one version of every kernel. All versions give the same bytes; decoded NaN may differ in
// sign and payload.
type Set struct {
	Name string // "go" for the definition, else the instruction set
	isa  int    // that instruction set in C

	// Widen reads len(dst) elements of src.
	Widen func(dst []float32, src []byte, from Elem)
	// Narrow rounds all of src to nearest even into dst.
	Narrow func(dst []byte, to Elem, src []float32)
	// NonFinite counts NaN and infinities among the elements of src.
	NonFinite func(src []byte, from Elem) int

	// Where a search is on, encoders try scales beside the plain one and keep the least squared error.

	// EncodeNVFP4 fills len(scales) groups of 16: codes 8 bytes each, src 16 elements each. Decoding
	// multiplies by global: positive, with a finite reciprocal, 1 for none.
	EncodeNVFP4 func(codes, scales, src []byte, from Elem, global float32, search Search)
	// EncodeMXFP4 fills len(scales) groups of 32: codes 16 bytes each, src 32 elements each.
	EncodeMXFP4 func(codes, scales, src []byte, from Elem, search Search)
	// EncodeMXFP8 fills len(scales) groups of 32: codes 32 bytes each, src 32 elements each.
	EncodeMXFP8 func(codes, scales, src []byte, from Elem)
	// EncodeAffine fills as many groups as codes holds; scales and biases are of type scale.
	EncodeAffine func(codes, scales, biases, src []byte, from, scale Elem, bits, group int, search Search)

	// Encoders with error feedback take rows w [n, columns], and search scales.

	EncodeNVFP4Feedback  func(codes, scales []byte, w []float32, global float32, f Feedback)
	EncodeMXFP4Feedback  func(codes, scales []byte, w []float32, f Feedback)
	EncodeAffineFeedback func(codes, scales, biases []byte, w []float32, scale Elem, bits, group int, f Feedback)

	// DecodeNVFP4 writes len(scales) groups of 16, every value times global.
	DecodeNVFP4 func(dst []float32, codes, scales []byte, global float32)
	// DecodeMXFP4 writes len(scales) groups of 32.
	DecodeMXFP4 func(dst []float32, codes, scales []byte)
	// DecodeMXFP8 writes len(scales) groups of 32.
	DecodeMXFP8 func(dst []float32, codes, scales []byte)
	// DecodeE4M3 writes len(dst) values of e4m3 codes, times scale.
	DecodeE4M3 func(dst []float32, codes []byte, scale float32)
	// DecodeAffine writes len(dst)/group groups.
	DecodeAffine func(dst []float32, codes, scales, biases []byte, scale Elem, bits, group int)

	// AddLowRank adds b [len(b)/rank, rank] times a [rank, len(a)/rank] to dst.
	AddLowRank func(dst, b, a []float32, rank int)
	// SubtractProduct takes the transpose of a [k, rows of d] times b [k, columns of d] from d.
	SubtractProduct func(d, a, b Block)
}

// Reference is the definition.
func Reference() *Set { return &reference }

var reference = Set{
	Name:         "go",
	Widen:        widenRef,
	Narrow:       narrowRef,
	NonFinite:    nonFiniteRef,
	EncodeNVFP4:  encodeNVFP4Ref,
	EncodeMXFP4:  encodeMXFP4Ref,
	EncodeMXFP8:  encodeMXFP8Ref,
	EncodeAffine: encodeAffineRef,
	DecodeNVFP4:  decodeNVFP4Ref,
	DecodeMXFP4:  decodeMXFP4Ref,
	DecodeMXFP8:  decodeMXFP8Ref,
	DecodeE4M3:   decodeE4M3Ref,
	DecodeAffine: decodeAffineRef,
	AddLowRank:   addLowRankRef,

	SubtractProduct: subtractProductRef,

	EncodeNVFP4Feedback:  encodeNVFP4FeedbackRef,
	EncodeMXFP4Feedback:  encodeMXFP4FeedbackRef,
	EncodeAffineFeedback: encodeAffineFeedbackRef,
}

// Best is the fastest version that this CPU can run.
func Best() *Set { return best }

// Versions lists every version that this CPU can run, the definition first, the fastest last.
func Versions() []*Set { return append([]*Set{&reference}, native()...) }

var best = func() *Set {
	v := Versions()
	return v[len(v)-1]
}()
