package arch

// Family is a kind of model that qimport knows.
type Family string

// The families, by the model_type of their text model.
const (
	Qwen3      Family = "qwen3"
	Qwen3MoE   Family = "qwen3_moe"
	Qwen3VL    Family = "qwen3_vl"     // Qwen3 that sees: its tower also feeds the first layers
	Qwen3VLMoE Family = "qwen3_vl_moe" // Qwen3-MoE that sees so
	Qwen3Next  Family = "qwen3_next"
	Qwen35     Family = "qwen3_5"     // Qwen3.6 and 3.8 call themselves so too
	Qwen35MoE  Family = "qwen3_5_moe" // Qwen3.6 too
)

// Families lists them all, for errors and help texts.
func Families() []Family {
	return []Family{Qwen3, Qwen3MoE, Qwen3VL, Qwen3VLMoE, Qwen3Next, Qwen35, Qwen35MoE}
}

// Hybrid says whether the family has linear attention layers. Its norms are stored around zero in
// release form, and the +1 that mlx conversions add goes with the axes of conv1d.
func (f Family) Hybrid() bool { return f == Qwen3Next || f == Qwen35 || f == Qwen35MoE }

// Sparse says whether the family has mixture-of-experts layers.
func (f Family) Sparse() bool {
	return f == Qwen3MoE || f == Qwen3VLMoE || f == Qwen3Next || f == Qwen35MoE
}

// Deep says whether the family's tower also feeds the first layers of the text model.
func (f Family) Deep() bool { return f == Qwen3VL || f == Qwen3VLMoE }

// Nested says whether the family's releases have the text model beside a vision tower, in a container of
// its own.
func (f Family) Nested() bool { return f.Deep() || f == Qwen35 || f == Qwen35MoE }

// UsualArchitecture is what configs of the model's kind call themselves, for one that does not say.
func (c Config) UsualArchitecture() string {
	name := map[Family]string{Qwen3: "Qwen3", Qwen3MoE: "Qwen3Moe", Qwen3VL: "Qwen3VL", Qwen3VLMoE: "Qwen3VLMoe", Qwen3Next: "Qwen3Next", Qwen35: "Qwen3_5", Qwen35MoE: "Qwen3_5Moe"}[c.Family]
	if name == "" {
		return ""
	}
	if c.HasVision {
		return name + "ForConditionalGeneration"
	}
	return name + "ForCausalLM"
}

// Output says where the output head's weights are.
type Output uint8

// The places of the head.
const (
	HeadUnsaid Output = iota // the config has no tie_word_embeddings: lm_head if there is one
	HeadTied                 // the embedding; an lm_head would be dead weight
	HeadOwn                  // lm_head
)

// Config is what config.json says of a model, checked: its sizes are positive and fit together, and
// qimport's graphs can run it.
type Config struct {
	Family         Family
	Architecture   string // architectures[0], as the config spells it
	ThetaOnTop     bool   // rope_theta stands at the config's top
	VocabSize      int
	HiddenSize     int
	Intermediate   int // width of a dense feed-forward; 0 if no layer has one
	Layers         int
	Heads          int
	KVHeads        int
	HeadDim        int
	HeadDimUnsaid  bool // the config has no head_dim: HeadDim is the family's default
	AttentionBias  bool // the projections of attention must have biases; they may in any case
	NormEps        float32
	MaxPositions   int
	RoPE           RoPE
	Output         Output
	HasVision      bool // the config has a vision_config
	VisionChannels int  // of the images: vision_config.in_channels
	Tower          Tower

	FullAttention []bool // per layer; false is linear attention

	// Linear attention, of models that have such layers.
	LinearKeyHeads, LinearValueHeads     int
	LinearKeyHeadDim, LinearValueHeadDim int
	ConvKernel                           int

	// Mixture of experts, of sparse families only.
	SparseLayer   []bool // per layer; false is a dense feed-forward
	Experts       int
	TopK          int  // experts that a token goes to
	ExpertWidth   int  // moe_intermediate_size
	SharedWidth   int  // shared_expert_intermediate_size; 0 for none
	NormalizeTopK bool // the chosen experts' weights are made to sum to one
}
