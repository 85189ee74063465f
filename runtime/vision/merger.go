package vision

import (
	"qimport/arch"
	"qimport/runtime/layer"
	"qimport/runtime/mlx"
)

// merger makes one token of a square of patches: a norm, of each patch or, of deepstack, of all of them
// side by side, and two linear maps.
type merger struct {
	wide     int  // the patches of a square side by side
	together bool // what the norm goes over
	norm     *layer.LayerNorm
	fc1, fc2 *layer.Linear
}

func (b builder) merger(path string, z arch.Tower, together bool) *merger {
	m := &merger{wide: z.MergeWidth(), together: together}
	width := z.Hidden
	if together {
		width = m.wide
	}
	m.norm = b.norm(path+"norm", width)
	m.fc1, m.fc2 = b.linear(path+"linear_fc1", m.wide, m.wide), b.linear(path+"linear_fc2", z.Out, m.wide)
	return m
}

func (m *merger) linears() []*layer.Linear { return []*layer.Linear{m.fc1, m.fc2} }

// forward maps states [patches, hidden] to [tokens, out].
func (m *merger) forward(s *mlx.Scope, x *mlx.Array) *mlx.Array {
	return s.Only(func(s *mlx.Scope) *mlx.Array {
		if m.together {
			x = m.norm.Apply(s, s.Reshape(x, -1, m.wide))
		} else {
			x = s.Reshape(m.norm.Apply(s, x), -1, m.wide)
		}
		return m.fc2.Apply(s, layer.GELU(s, m.fc1.Apply(s, x)))
	})
}
