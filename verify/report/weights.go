package report

// Weights is how large the model's tensors are.
type Weights struct {
	Count int   `json:"count"`
	Bytes int64 `json:"bytes"`
}

// Bits is how many a weight takes, scales included; 0 where there is none.
func (w Weights) Bits() float64 {
	if w.Count <= 0 {
		return 0
	}
	return 8 * float64(w.Bytes) / float64(w.Count)
}
