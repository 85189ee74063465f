package verify

import (
	"math/rand/v2"
	"os"
	"slices"
	"strings"
)

// The kinds of damage to a tower. Sizes are those of the two small models that see: 3 heads of width 32,
// pictures of 3 colours, patches of 2 frames of 16 by 16, 4 of which become a token, 64 positions.

// towerTensor damages one of the tower's tensors, as rows of values.
func towerTensor(suffix string, damage func(v []float32, rows int)) func(checkpointCopy) {
	return func(c checkpointCopy) {
		c.editTensors(func(arrays map[string]raw) {
			for name, a := range arrays {
				if strings.Contains(name, "visual.") && strings.HasSuffix(name, suffix) {
					a.editBF16(func(v []float32) { damage(v, a.shape[0]) })
				}
			}
		})
	}
}

// permuteWithin moves blocks within each row of a tensor: block i of the result is block order[i].
func permuteWithin(width int, order []int) func(v []float32, rows int) {
	return func(v []float32, rows int) {
		row := len(v) / rows
		for from := 0; from < len(v); from += row {
			old := slices.Clone(v[from : from+row])
			for i, o := range order {
				copy(v[from+i*width:][:width], old[o*width:])
			}
		}
	}
}

// transposed is the order that turns n by n blocks over.
func transposed(rows, columns int) []int {
	var order []int
	for i := range rows {
		for j := range columns {
			order = append(order, j*rows+i)
		}
	}
	return order
}

// readLast reads values that lie colour, frame, row, column as if colours came last.
func readLast() []int {
	order := make([]int, 3*512)
	for c := range 3 {
		for p := range 512 {
			order[c*512+p] = p*3 + c
		}
	}
	return order
}

// transposePatches turns rows and columns of each patch over.
func transposePatches(v []float32, rows int) {
	for plane := 0; plane < len(v); plane += 256 {
		permuteWithin(1, transposed(16, 16))(v[plane:plane+256], 1)
	}
}

// swapRotary gives the pairs of a head that turn by rows to columns.
func swapRotary(v []float32, rows int) {
	row := len(v) / rows
	for head := range 2 * 3 { // of queries and keys
		permuteWithin(8*row, []int{1, 0, 3, 2})(v[head*32*row:][:32*row], 1)
	}
}

// transposeGrid turns the grid of positions over.
func transposeGrid(v []float32, rows int) { permuteWithin(len(v)/rows, transposed(8, 8))(v, 1) }

// untrained is noise of the size that towers begin with.
func untrained(v []float32, _ int) {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range v {
		v[i] = float32(0.02 * random.NormFloat64())
	}
}

func fillWith(x float32) func(v []float32, _ int) {
	return func(v []float32, _ int) {
		for i := range v {
			v[i] = x
		}
	}
}

func both(damage ...func(checkpointCopy)) func(checkpointCopy) {
	return func(c checkpointCopy) {
		for _, d := range damage {
			d(c)
		}
	}
}

func imageToken(id int) func(checkpointCopy) {
	return func(c checkpointCopy) {
		c.editJSON("config.json", func(v map[string]any) { v["image_token_id"] = id })
	}
}

func loseProcessor(c checkpointCopy) { c.must(os.Remove(c.path("preprocessor_config.json"))) }

func clipMean(c checkpointCopy) {
	c.editJSON("preprocessor_config.json", func(v map[string]any) {
		delete(v, "image_mean")
		delete(v, "image_std")
	})
}
