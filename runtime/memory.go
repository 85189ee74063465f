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
	WeightBytes int64 // of all weights
	MappedBytes int64 // of those, what is used where it lies and takes no memory of ours
	LimitBytes  int64 // that the rest, caches and activations may take; 0 if the machine's memory is not known
	TotalBytes  int64 // of the machine, or of the GPU
}

// HeldBytes is what weights take as arrays of ours.
func (p Placement) HeldBytes() int64 { return p.WeightBytes - p.MappedBytes }

// String is a sentence for a report: "f32 weights, 3.0 GB of at most 12 GB", or "weights as they are
// stored, 460 MB of them where they lie, 1.3 MB held of at most 12 GB".
func (p Placement) String() string {
	words := fmt.Sprintf("%s weights, %s", p.Mode, size(p.HeldBytes()))
	if p.Mode == layer.Quantized && p.MappedBytes > 0 {
		words = fmt.Sprintf("weights as they are stored, %s of them where they lie, %s held", size(p.MappedBytes), size(p.HeldBytes()))
	}
	if p.LimitBytes == 0 {
		return words
	}
	return fmt.Sprintf("%s of at most %s", words, size(p.LimitBytes))
}

func size(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// place describes the model in the first way whose arrays fit, and refuses one with none. No weight has been read yet.
func place(ck *model.Checkpoint, o Options, info mlx.Info) (*model.Decoder, Placement, error) {
	p := Placement{TotalBytes: info.Memory}
	gpu := info.Device == mlx.GPU
	if !gpu || p.TotalBytes == 0 {
		p.TotalBytes = systemMemory()
	}
	p.LimitBytes = int64(float64(p.TotalBytes) * o.Memory)
	for _, p.Mode = range o.Compute.modes(gpu) {
		compute := layer.Compute{Mode: p.Mode, GPU: gpu, State: o.StateDtype, Decay: o.DecayDtype, Decoded: o.decoded, WrongRows: o.WrongRows}
		d, err := ck.Decoder(compute)
		if err != nil {
			return nil, p, err
		}
		if p.count(ck, compute, d); p.LimitBytes == 0 || p.HeldBytes() <= p.LimitBytes {
			return d, p, nil
		}
	}
	return nil, p, fmt.Errorf("%w: its weights take %s as %s, and may take %s, which is %.0f %% of %s; give more with --memory, or use a smaller type",
		ErrTooLarge, size(p.HeldBytes()), p.Mode, size(p.LimitBytes), 100*o.Memory, size(p.TotalBytes))
}

// parts is what has weights: a decoder, a tower.
type parts interface {
	Mapped() []*layer.Mapped
	Params() []*layer.Param
}

// count adds up the weights of a model. Those of a tower that can be run are among them, though they are
// read only when a picture comes: it is to fit then too.
func (p *Placement) count(ck *model.Checkpoint, compute layer.Compute, d *model.Decoder) {
	all := []parts{d}
	if tower, err := ck.Tower(compute); err == nil {
		all = append(all, tower)
	}
	p.WeightBytes, p.MappedBytes = 0, 0
	for _, part := range all {
		for _, m := range part.Mapped() {
			p.MappedBytes += m.Bytes()
		}
		for _, a := range part.Params() {
			p.WeightBytes += a.Bytes()
		}
	}
	p.WeightBytes += p.MappedBytes
}
