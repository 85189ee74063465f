package report

// Tensor is what the format of one tensor cost, measured over all its elements: the decoded
// tensor against the decoded source.
type Tensor struct {
	Name   string  `json:"name"`
	Source string  `json:"source"` // format in the source
	Format string  `json:"format"` // format in the model
	Bits   float64 `json:"bits"`   // stored bits per weight, scales included
	// Error is sum((ours-source)²) / sum(source²). SNR is the same in decibels; nil for no error.
	Error float64  `json:"relative_squared_error"`
	SNR   *float64 `json:"snr_db,omitempty"`
	Limit float64  `json:"limit"` // what Error was held to

	Quantized bool `json:"-"` // to a format that does not hold the source's numbers
	Zero      bool `json:"-"` // the source is nothing but zeros
}

// Over says whether the tensor differs from the source by more than its format costs.
func (t Tensor) Over() bool { return t.Error > t.Limit }
