package kernel

// DeltaPrompt is several tokens' way through the middle of a Gated DeltaNet layer: DeltaStep, once for each token.
type DeltaPrompt struct {
	DeltaStep
	Tokens int // of each sequence
}

// AttendPrompt is several tokens' look at the keys and values of their sequence, each at those up to its own:
// Attend, once for each token.
type AttendPrompt struct {
	Attend
	Tokens int // of each sequence
}
