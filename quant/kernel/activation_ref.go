package kernel

import "math"

// RMSNorm writes x / sqrt(mean(x^2) + eps) * weight for every row of x [n, len(weight)].
func RMSNorm(y, x, weight []float32, eps float32) {
	for at := 0; at < len(x); at += len(weight) {
		row, sum := x[at:][:len(weight)], 0.0
		for _, v := range row {
			sum += float64(v) * float64(v)
		}
		factor := 1 / math.Sqrt(sum/float64(len(row))+float64(eps))
		for i, v := range row {
			y[at+i] = float32(float64(v) * factor * float64(weight[i]))
		}
	}
}

// SwiGLU writes silu(gate) * up for every row of x [n, 2*width], which is gate and then up.
func SwiGLU(y, x []float32, width int) {
	for row := range len(y) / width {
		gate, up := x[2*row*width:][:width], x[(2*row+1)*width:][:width]
		for i, g := range gate {
			y[row*width+i] = float32(float64(g) / (1 + math.Exp(-float64(g))) * float64(up[i]))
		}
	}
}

// Gate writes x * sigmoid(gate).
func Gate(y, x, gate []float32) {
	for i, v := range x {
		y[i] = float32(float64(v) / (1 + math.Exp(-float64(gate[i]))))
	}
}
