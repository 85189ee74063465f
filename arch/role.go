package arch

import "strings"

// Role is the part a tensor plays in a model. It decides which formats are open to it.
type Role uint8

// The roles. Only Linear, Embedding, Head, Router and Expert tensors may be quantized.
const (
	Other     Role = iota // none of the below
	Linear                // a projection [out, in]
	Embedding             // embed_tokens [vocab, hidden]; the head too where they are tied
	Head                  // lm_head [vocab, hidden]
	Router                // mlp.gate and shared_expert_gate
	Expert                // a stack of expert projections [experts, out, in]
	Norm                  // gains of a norm, one dimension
	Conv                  // conv1d of a linear attention layer
	State                 // A_log and dt_bias: the decay of the delta state
	Bias                  // a layer's ordinary bias
	Vision                // anything of the vision tower
)

var roleNames = [...]string{
	Other: "other", Linear: "linear", Embedding: "embedding", Head: "head", Router: "router", Expert: "expert",
	Norm: "norm", Conv: "conv1d", State: "state", Bias: "bias", Vision: "vision",
}

func (r Role) String() string { return roleNames[r] }

// PackedTower says whether a tensor of a vision tower, by its body name, may be quantized: a matrix of its linear
// maps. Runtimes take patches, positions and norms as plain arrays.
func PackedTower(body string) bool {
	for _, end := range []string{".qkv.weight", ".attn.proj.weight", ".linear_fc1.weight", ".linear_fc2.weight"} {
		if strings.HasSuffix(body, end) {
			return true
		}
	}
	return false
}

// Fixed says why a tensor of this role is never quantized, or "" if it may be.
func (r Role) Fixed() string {
	switch r {
	case Norm:
		return "norm"
	case Conv:
		return "conv1d"
	case State:
		return "decay of the delta state"
	case Bias:
		return "bias"
	case Vision:
		return "vision"
	case Other:
		return "not a weight matrix of the text model"
	}
	return ""
}
