package report

// Ablation is the float32 run against the same model with one thing made worse on purpose.
type Ablation struct {
	What       string     `json:"what"` // "state=bf16" or "decay=bf16"
	Divergence Divergence `json:"divergence"`
}
