package arch

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
