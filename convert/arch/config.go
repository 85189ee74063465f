package arch

// Family is a kind of model that qimport knows.
type Family string

// The families, by the model_type of their text model.
const (
	Qwen3     Family = "qwen3"
	Qwen3MoE  Family = "qwen3_moe"
	Qwen3Next Family = "qwen3_next"
	Qwen35    Family = "qwen3_5"
	Qwen35MoE Family = "qwen3_5_moe"
)

// Config is the sizes of the text model that tensor shapes follow from.
type Config struct {
	Family        Family
	Architecture  string // architectures[0], as the config spells it
	VocabSize     int
	HiddenSize    int
	Intermediate  int // dense feed-forward width
	Layers        int
	Heads         int
	KVHeads       int
	HeadDim       int
	AttentionBias bool
	TiedEmbedding bool
	HasVision     bool // the config has a vision_config

	FullAttention []bool // per layer: full attention; false is linear attention

	LinearKeyHeads, LinearValueHeads     int
	LinearKeyHeadDim, LinearValueHeadDim int
	ConvKernel                           int

	Experts       int
	ExpertsPerTok int
	ExpertWidth   int    // moe_intermediate_size
	SharedWidth   int    // shared_expert_intermediate_size; 0 for none
	SparseLayer   []bool // per layer: mixture of experts; false is a dense feed-forward
}
