package vision

import (
	"math"

	"qimport/arch"
	"qimport/runtime/layer"
	"qimport/runtime/mlx"
)

// block is one layer of the tower: x + attention(norm(x)), then that plus mlp(norm(that)). Every patch
// sees all of its picture.
type block struct {
	heads        int
	norm1, norm2 *layer.LayerNorm
	qkv, proj    *layer.Linear // [3*hidden, hidden] and [hidden, hidden]
	fc1, fc2     *layer.Linear // [intermediate, hidden] and back
}

func (b builder) block(path string, z arch.Tower) block {
	return block{
		heads: z.Heads,
		norm1: b.norm(path+"norm1", z.Hidden), norm2: b.norm(path+"norm2", z.Hidden),
		qkv: b.linear(path+"attn.qkv", 3*z.Hidden, z.Hidden), proj: b.linear(path+"attn.proj", z.Hidden, z.Hidden),
		fc1: b.linear(path+"mlp.linear_fc1", z.Intermediate, z.Hidden), fc2: b.linear(path+"mlp.linear_fc2", z.Hidden, z.Intermediate),
	}
}

func (b block) linears() []*layer.Linear { return []*layer.Linear{b.qkv, b.proj, b.fc1, b.fc2} }

func (b block) norms() []*layer.LayerNorm { return []*layer.LayerNorm{b.norm1, b.norm2} }

// forward maps states [n, hidden] to [n, hidden].
func (b block) forward(s *mlx.Scope, x *mlx.Array, turns *layer.Turns) *mlx.Array {
	x = s.Only(func(s *mlx.Scope) *mlx.Array { return s.Add(x, b.attend(s, b.norm1.Apply(s, x), turns)) })
	return s.Only(func(s *mlx.Scope) *mlx.Array {
		return s.Add(x, b.fc2.Apply(s, layer.GELUTanh(s, b.fc1.Apply(s, b.norm2.Apply(s, x)))))
	})
}

// scoreBytes bounds the scores of attention that are made at a time: of all patches of a large picture
// with all they would take gigabytes.
const scoreBytes = 64 << 20

// attend is attention over all patches.
func (b block) attend(s *mlx.Scope, x *mlx.Array, turns *layer.Turns) *mlx.Array {
	n, hidden := x.Dim(0), x.Dim(1)
	d := hidden / b.heads
	parts := s.Split(s.Transpose(s.Reshape(b.qkv.Apply(s, x), n, 3, b.heads, d), 1, 2, 0, 3), 3, 0) // [1, heads, n, d] each
	q, k, v := turns.Apply(s, parts[0]), turns.Apply(s, parts[1]), parts[2]
	step := max(scoreBytes/(4*b.heads*n), 1)
	var rows []*mlx.Array
	for from := 0; from < n; from += step {
		rows = append(rows, s.Only(func(s *mlx.Scope) *mlx.Array {
			return s.Attention(s.SliceAxis(q, 2, from, min(from+step, n)), k, v, float32(1/math.Sqrt(float64(d))), mlx.Mask{})
		}))
	}
	o := rows[0]
	if len(rows) > 1 {
		o = s.Concatenate(2, rows...)
	}
	return b.proj.Apply(s, s.Reshape(s.Transpose(o, 0, 2, 1, 3), n, hidden))
}
