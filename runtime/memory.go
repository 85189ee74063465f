package runtime

import (
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"

	"qimport/runtime/layer"
	"qimport/runtime/mlx"
	"qimport/runtime/model"
)

// ErrTooLarge marks a model whose weights take more memory than they may.
var ErrTooLarge = errors.New("model too large")

// Placement is how a model was chosen to be kept in memory.
type Placement struct {
	Mode        layer.Mode
	WeightBytes int64 // of all arrays of the model
	LimitBytes  int64 // that they may take; 0 if the machine's memory is not known
	TotalBytes  int64 // of the machine, or of the GPU
}

// String is a sentence for a report: "f32 weights, 3.0 GB of at most 12 GB".
func (p Placement) String() string {
	if p.LimitBytes == 0 {
		return fmt.Sprintf("%s weights, %s", p.Mode, size(p.WeightBytes))
	}
	return fmt.Sprintf("%s weights, %s of at most %s", p.Mode, size(p.WeightBytes), size(p.LimitBytes))
}

func size(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// place describes the model in the first mode whose weights fit. No weight has been read yet.
func place(ck *model.Checkpoint, o Options, info mlx.Info) (*model.Decoder, Placement, error) {
	p := Placement{TotalBytes: info.Memory}
	gpu := info.Device == mlx.GPU
	if !gpu || p.TotalBytes == 0 {
		p.TotalBytes = systemMemory()
	}
	p.LimitBytes = int64(float64(p.TotalBytes) * o.Memory)
	var tried []string
	for _, mode := range o.Compute.modes(gpu) {
		d, err := ck.Decoder(layer.Compute{Mode: mode, GPU: gpu, State: o.StateDtype, Decay: o.DecayDtype})
		if err != nil {
			return nil, p, err
		}
		p.Mode, p.WeightBytes = mode, 0
		for _, a := range d.Params() {
			p.WeightBytes += a.Bytes()
		}
		if p.LimitBytes == 0 || p.WeightBytes <= p.LimitBytes {
			return d, p, nil
		}
		tried = append(tried, fmt.Sprintf("%s as %s", size(p.WeightBytes), mode))
	}
	return nil, p, fmt.Errorf("%w: its weights take %s, and may take %s, which is %.0f %% of %s; give more with --memory, or use a smaller type",
		ErrTooLarge, list(tried), size(p.LimitBytes), 100*o.Memory, size(p.TotalBytes))
}

// list joins words as in a sentence.
func list(words []string) string {
	out := words[0]
	for i, w := range words[1:] {
		if i == len(words)-2 {
			out += " or " + w
		} else {
			out += ", " + w
		}
	}
	return out
}
