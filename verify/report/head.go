package report

// Head is how well a multi-token-prediction head says the tokens of the texts. It is given one token less
// than the text model, to which it is compared. What is about the source's head is nil where that was not
// run.
type Head struct {
	Places      int      `json:"places"`
	Right       float64  `json:"right"`      // share of the places at which the token that it holds likeliest follows
	Chance      float64  `json:"chance"`     // what that would be were it to say the same tokens in another order
	TextRight   float64  `json:"text_right"` // of the text model
	SourceRight *float64 `json:"source_right,omitempty"`
	MeanKL      *float64 `json:"mean_kl,omitempty"` // from the source's head, in nats
	Top1        *float64 `json:"top1_agreement,omitempty"`
}
