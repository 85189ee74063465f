package report

// Divergence compares what two models expect after each token of a text, or of several: the
// reference's next token distribution P against the judged model's Q, over the whole vocabulary.
type Divergence struct {
	// Positions is how many next-token distributions were compared: one fewer than each text has
	// tokens. Texts is the number of texts, 0 for a single one. TextDigest is the SHA-256 of the
	// token ids as little-endian 32-bit words; of several texts, -1, their number and their lengths
	// come before the ids.
	Positions  int    `json:"positions"`
	Texts      int    `json:"texts,omitempty"`
	TextDigest string `json:"text_digest"`
	// Reference says what P is: the source checkpoint, or a file of stored log-probabilities.
	Reference string `json:"reference"`

	// KL(P||Q) in nats. StdErr is of the mean, from the means of consecutive blocks, since
	// neighbouring positions are not independent.
	MeanKL   float64 `json:"mean_kl"`
	StdErr   float64 `json:"mean_kl_standard_error"`
	MedianKL float64 `json:"median_kl"`
	P99KL    float64 `json:"p99_kl"`
	MaxKL    float64 `json:"max_kl"`
	// Top1 is the share of positions at which both hold the same token likeliest.
	Top1 float64 `json:"top1_agreement"`

	// Perplexities of the text, the relative change from reference to model, and one standard
	// error of that change (paired by position, so what both find hard cancels out).
	ReferencePerplexity float64 `json:"reference_perplexity"`
	Perplexity          float64 `json:"perplexity"`
	PerplexityChange    float64 `json:"perplexity_change"`
	PerplexityStdErr    float64 `json:"perplexity_change_standard_error"`

	// NonFinite counts positions with a NaN or infinity in either distribution; they are left
	// out of every mean.
	NonFinite int `json:"non_finite"`
	// ByDepth has buckets that double in width, for reading; ByPosition at most 64 equal ones,
	// for drawing. A bucket holds the positions of all texts that are so far from their beginning.
	ByDepth    []Bucket `json:"by_depth"`
	ByPosition []Bucket `json:"by_position"`
}

// Bucket is the divergence of the positions From to To-1 of each text.
type Bucket struct {
	From   int     `json:"from"`
	To     int     `json:"to"`
	MeanKL float64 `json:"mean_kl"`
	StdErr float64 `json:"standard_error"`
	MaxKL  float64 `json:"max_kl"`
	Top1   float64 `json:"top1_agreement"`
}

// Last is the bucket's last position.
func (b Bucket) Last() int { return b.To - 1 }
