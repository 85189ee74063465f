package calibration

import (
	"crypto/sha256"
	"fmt"
	"math"

	"qimport/quant"
)

// Squares are second moments [matrices, columns, columns], wherever they lie: they are many, and each matrix is made
// or read when it is asked for, and kept by nobody. Tensors that read the same input have the same Squares.
type Squares struct {
	Count, Columns int
	matrix         func(i int) ([]float32, error)
	key            string // that no other ones have; "" where only the numbers tell
}

// Matrix is one of the matrices [columns, columns], symmetric. It is not to be changed.
func (s *Squares) Matrix(i int) ([]float32, error) { return s.matrix(i) }

// placeOf is where a matrix lies behind the first, in bytes of a file.
func placeOf(i, columns int) int64 { return 4 * int64(i) * int64(columns) * int64(columns) }

// inMemory are those of a slice.
func inMemory(columns int, full []float32) *Squares {
	size := columns * columns
	return &Squares{Count: len(full) / size, Columns: columns, matrix: func(i int) ([]float32, error) {
		return full[i*size:][:size], nil
	}}
}

// digest tells them apart from all others: it is of the numbers, or of the file that has them and the place there.
func (s *Squares) digest() ([sha256.Size]byte, error) {
	if s.key != "" {
		return sha256.Sum256([]byte(s.key)), nil
	}
	sum := sha256.New()
	for i := range s.Count {
		full, err := s.Matrix(i)
		if err != nil {
			return [sha256.Size]byte{}, err
		}
		sum.Write(quant.Float32s(full).Data)
	}
	return [sha256.Size]byte(sum.Sum(nil)), nil
}

// checkSquares holds one matrix of n columns to being symmetric, and no element to being larger than the squares
// of its two columns allow, but for what was rounded.
func checkSquares(full []float32, n int) error {
	roots := make([]float64, n) // of the mean squares
	for i := range roots {
		roots[i] = math.Sqrt(math.Max(float64(full[i*n+i]), 0)) * (1 + fullRounding)
	}
	const tile = 64 // rows and columns at a time, so that what is compared is near in memory
	for at := 0; at < n; at += tile {
		for from := 0; from <= at; from += tile {
			for i := at; i < min(at+tile, n); i++ {
				for j := from; j < min(from+tile, i+1); j++ {
					x := full[i*n+j]
					if bad(x) || x != full[j*n+i] || math.Abs(float64(x)) > roots[i]*roots[j] {
						return fmt.Errorf("the second moment of columns %d and %d is %g, which no inputs have", j, i, x)
					}
				}
			}
		}
	}
	return nil
}

// fullRounding is how far, relatively, sums in float32 may be off.
const fullRounding = 1e-3

// meanSquares makes one matrix of sums of the products of n columns over a number of rows. Sums below the diagonal are
// taken to be those above it, from which rounding may have moved them.
func meanSquares(out []float32, sums []float64, n int, rows int64) {
	const tile = 64
	of := float64(max(rows, 1))
	for at := 0; at < n; at += tile {
		for from := at; from < n; from += tile {
			for i := at; i < min(at+tile, n); i++ {
				for j := max(from, i); j < min(from+tile, n); j++ {
					x := float32(sums[i*n+j] / of)
					out[i*n+j], out[j*n+i] = x, x
				}
			}
		}
	}
}
