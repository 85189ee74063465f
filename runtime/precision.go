package runtime

import (
	"qimport/quant"
	"qimport/runtime/mlx"
)

// Precision is the dtypes that the session computed with; see the type.
func (x *Session) Precision() Precision { return x.precision }

// readPrecision reads the dtypes of the arrays as they are after a step.
func (x *batch) readPrecision(hidden *mlx.Array) Precision {
	p := Precision{Activations: hidden.Dtype()}
	for i := range x.caches {
		if state, decay, conv, ok := x.caches[i].Precision(); ok {
			p = p.and(Precision{DeltaState: state, Decay: decay, ConvState: conv})
		}
		if kv, ok := x.caches[i].KV.Dtype(); ok {
			p = p.and(Precision{KV: kv})
		}
	}
	return p
}

// Precision is what a session's arrays were made of: for each kind the narrowest dtype that any
// layer had after any step, read from the arrays themselves; NoDtype for what the model has not.
type Precision struct {
	DeltaState, Decay, ConvState, KV, Activations quant.Dtype
}

// and is the narrower of each kind.
func (p Precision) and(q Precision) Precision {
	return Precision{
		DeltaState:  narrower(p.DeltaState, q.DeltaState),
		Decay:       narrower(p.Decay, q.Decay),
		ConvState:   narrower(p.ConvState, q.ConvState),
		KV:          narrower(p.KV, q.KV),
		Activations: narrower(p.Activations, q.Activations),
	}
}

func narrower(a, b quant.Dtype) quant.Dtype {
	if a == quant.NoDtype || (b != quant.NoDtype && b.Size() < a.Size()) {
		return b
	}
	return a
}
