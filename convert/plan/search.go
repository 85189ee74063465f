package plan

import "qimport/quant"

// searchable says whether the encoder has scales to choose among. mxfp8's are given by the largest
// value, and what is copied keeps its own.
func (tp Tensor) searchable() bool {
	encoded := tp.Transform == Encode || tp.Transform == Reencode
	return encoded && (tp.Target.Mode == quant.NVFP4 || tp.Target.Mode == quant.MXFP4 || tp.Target.Mode == quant.Affine)
}

// searchScales plans a search, and a global scale where the store has a place for it.
func (tp *Tensor) searchScales() {
	tp.Search = true
	if tp.Target == quant.FormatNVFP4 && takesGlobal(tp.From) {
		tp.Global = true
		tp.Bytes += int64(quant.F32.Size())
	}
}
