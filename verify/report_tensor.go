package verify

// TensorErr is what the format of one tensor cost, measured over all its elements: the decoded
// tensor against the decoded source.
type TensorErr struct {
	Name   string  `json:"name"`
	Source string  `json:"source"` // format in the source
	Format string  `json:"format"` // format in the model
	Bits   float64 `json:"bits"`   // stored bits per weight, scales included
	// Error is sum((ours-source)²) / sum(source²). SNR is the same in decibels; nil for no error.
	Error float64  `json:"relative_squared_error"`
	SNR   *float64 `json:"snr_db,omitempty"`
	Limit float64  `json:"limit"` // what Error was held to

	quantized bool // to a format that does not hold the source's numbers
	zero      bool // the source is nothing but zeros
}

// over says whether the tensor differs from the source by more than its format costs.
func (t TensorErr) over() bool { return t.Error > t.Limit }
