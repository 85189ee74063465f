package runtime

import (
	"fmt"

	"qimport/internal/spelling"
	"qimport/quant"
	"qimport/runtime/layer"
	"qimport/runtime/mlx"
)

// Compute is how a model is to compute: as layer.Mode, or chosen by Load.
type Compute uint8

// The ways to compute. Quantized is weights as they are stored: on a CPU where they lie, with float32
// activations; on a GPU with bf16 activations. F32 and BF16 keep every weight widened in memory. Auto is
// BF16 on a GPU that has the memory for it, else Quantized.
const (
	Auto Compute = iota
	F32
	BF16
	Quantized
)

var computeNames = [...]string{Auto: "auto", F32: "f32", BF16: "bf16", Quantized: "quantized"}

func (c Compute) String() string { return computeNames[c] }

// ParseCompute reads a way to compute: auto, f32, bf16 or quantized.
func ParseCompute(name string) (Compute, error) {
	for c, n := range computeNames {
		if n == name {
			return Compute(c), nil
		}
	}
	return Auto, fmt.Errorf("compute %q is unknown%s; known are auto, f32, bf16, quantized", name, spelling.DidYouMean(name, computeNames[:]))
}

// modes lists how layers may compute, the fastest first.
func (c Compute) modes(gpu bool) []layer.Mode {
	switch {
	case c == F32:
		return []layer.Mode{layer.F32}
	case c == BF16:
		return []layer.Mode{layer.BF16}
	case c == Auto && gpu:
		return []layer.Mode{layer.BF16, layer.Quantized}
	}
	return []layer.Mode{layer.Quantized}
}

// Options say how to load a model. The zero value is right for most.
type Options struct {
	Device  mlx.Device
	Compute Compute
	// Memory is the share of the machine's memory that arrays may take, above 0 and up to 1: weights
	// that are not used where they lie, caches and activations. 0 means DefaultMemory.
	Memory float64
	// StateDtype and DecayDtype are float32 unless set: bf16 shows what is lost with it.
	StateDtype, DecayDtype quant.Dtype
	// WrongRows is a number of rows of input with which products with packed rows are made to come out
	// wrong, which shows that a verification notices it; 0 for none.
	WrongRows int

	decoded []quant.Format // that are decoded, since MLX is wrong with them packed
}

// DefaultMemory is the share of the machine's memory that arrays may take.
const DefaultMemory = 0.5

// check gives the unset options their defaults and refuses what cannot be.
func (o Options) check() (Options, error) {
	if o.Memory == 0 {
		o.Memory = DefaultMemory
	}
	if o.Memory < 0 || o.Memory > 1 {
		return o, fmt.Errorf("memory share %g: it must be above 0 and at most 1", o.Memory)
	}
	for _, d := range []*quant.Dtype{&o.StateDtype, &o.DecayDtype} {
		if *d == quant.NoDtype {
			*d = quant.F32
		}
		if *d != quant.F32 && *d != quant.BF16 {
			return o, fmt.Errorf("delta state or decay in %s: only F32 and BF16 are possible", *d)
		}
	}
	return o, nil
}
