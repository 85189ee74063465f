package arch

import "strings"

// NormForm says how the norms of a model are stored, and with them the axes of conv1d, which every
// conversion changes together.
type NormForm uint8

// The forms. Only hybrid families have others than the plain one.
const (
	NormsPlain   NormForm = iota // norms hold their gain in every form (Qwen3, Qwen3-MoE); no conv1d
	NormsRaw                     // release form: the gain is 1+w, conv1d [channels, 1, kernel]
	NormsShifted                 // mlx form: 1 is added already, conv1d [channels, kernel, 1]
)

var normForms = [...]string{NormsPlain: "plain", NormsRaw: "raw", NormsShifted: "shifted"}

func (f NormForm) String() string { return normForms[f] }

// ZeroCentred says whether a hybrid family trains this norm, given by its body name, as the w of a
// gain 1+w: raw norms hold w, shifted ones 1+w. That is every RMSNorm of the text model and of the
// multi-token-prediction head but the gated one of linear attention, which holds its gain in every
// form (Qwen3_5RMSNorm beside Qwen3_5RMSNormGated in transformers' modeling_qwen3_5.py; mlx-lm's
// sanitize shifts the same).
func ZeroCentred(body string) bool {
	return RoleOf(body) == Norm && !strings.HasSuffix(body, "linear_attn.norm.weight")
}
