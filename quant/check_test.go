package quant

import (
	"math"
	"testing"
)

// TestCheckProduct: every format is within the bound at the numbers of columns that use different kernels;
// rows that are not there are refused; what is wrong would be told.
func TestCheckProduct(t *testing.T) {
	for name, tensor := range productTensors(t) {
		worst, err := CheckProduct([][]Span{{{tensor, 0, 7}, {tensor, 7, 5}}, {{tensor, 1, 3}}}, []int{0, 2}, []int{1, 3, 32, 33, 513})
		if err != nil || !(worst <= 1) {
			t.Errorf("%s: off by %v of the bound, %v", name, worst, err)
		}
		for _, row := range []int{-1, 12} {
			if _, err := CheckProduct([][]Span{{{tensor, 0, 7}, {tensor, 7, 5}}}, []int{row}, []int{1}); err == nil {
				t.Errorf("%s: row %d of 12 is accepted", name, row)
			}
		}
	}
	bad := Tensor{Shape: []int{2, 8}, Format: FormatF32, Data: Float32s([]float32{7: 1, 15: float32(math.NaN())}).Data}
	if worst, err := CheckProduct([][]Span{{{bad, 0, 2}}}, []int{0}, []int{1}); err != nil || worst == worst {
		t.Errorf("a NaN among the weights: off by %v, %v", worst, err)
	}
}
