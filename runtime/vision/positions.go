package vision

import (
	"math"

	"qimport/runtime/layer"
	"qimport/runtime/mlx"
)

// eachPatch calls f with the row and the column of every patch, in the order in which they are read:
// squares of merge by merge, row by row.
func eachPatch(rows, columns, merge int, f func(row, column int)) {
	for top := 0; top < rows; top += merge {
		for left := 0; left < columns; left += merge {
			for i := range merge * merge {
				f(top+i/merge, left+i%merge)
			}
		}
	}
}

// between are the two neighbours of place i of n on a side of the table that has side places, its ends on
// their ends, and how much of the second there is.
func between(i, n, side int) (low, high int, share float32) {
	if n == 1 {
		return 0, 0, 0
	}
	at := float64(i) * float64(side-1) / float64(n-1)
	low = min(int(math.Floor(at)), side-1)
	return low, min(low+1, side-1), float32(at - float64(low))
}

// interpolate is the table of positions for a picture of that many patches: of each patch what its four
// neighbours on the table give, by their distance. [patches, hidden], float32.
func (t *Tower) interpolate(s *mlx.Scope, rows, columns int) *mlx.Array {
	var at [4][]int32
	var weights [4][]float32
	side := t.sizes.Side()
	eachPatch(rows, columns, t.sizes.Merge, func(row, column int) {
		top, bottom, down := between(row, rows, side)
		left, right, across := between(column, columns, side)
		for i, n := range []struct {
			row, column int
			weight      float32
		}{
			{top, left, (1 - down) * (1 - across)}, {top, right, (1 - down) * across},
			{bottom, left, down * (1 - across)}, {bottom, right, down * across},
		} {
			at[i] = append(at[i], int32(n.row*side+n.column))
			weights[i] = append(weights[i], n.weight)
		}
	})
	var sum *mlx.Array
	for i := range at {
		n := len(at[i])
		part := s.Mul(s.Take(t.positions.Array, s.FromInt32(at[i], n), 0), s.FromFloat32(weights[i], n, 1))
		if sum == nil {
			sum = part
			continue
		}
		sum = s.Add(sum, part)
	}
	return sum
}

// turns are the rotary positions of a head's dimensions: the first half of the pairs turns by the
// patch's row, the other by its column.
func (t *Tower) turns(s *mlx.Scope, rows, columns int) *layer.Turns {
	quarter := t.sizes.HeadDim() / 4
	var angles []float64
	eachPatch(rows, columns, t.sizes.Merge, func(row, column int) {
		for _, at := range []int{row, column} {
			for i := range quarter {
				angles = append(angles, float64(at)*math.Pow(t.sizes.Theta, -float64(i)/float64(quarter)))
			}
		}
	})
	return layer.NewTurns(s, angles, 2*quarter, 1)
}
