//go:build cgo

package mlx

import (
	"math"
	"slices"
	"testing"

	"qimport/quant"
)

// near compares values to a relative, below 1 absolute, error.
func near(t *testing.T, name string, got, want []float32, limit float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", name, len(got), len(want))
		return
	}
	for i := range got {
		if diff := math.Abs(float64(got[i] - want[i])); !(diff <= limit*max(1, math.Abs(float64(want[i])))) {
			t.Errorf("%s: value %d is %v, want %v", name, i, got[i], want[i])
			return
		}
	}
}

// ramp is n different values between -2 and 2, in no order.
func ramp(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32((i*37)%101)/25 - 2
	}
	return out
}

func TestFunctionsOfEachElement(t *testing.T) {
	positive := func(x float64) float64 { return math.Abs(x) + 0.25 }
	truth := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	tests := []struct {
		name string
		op   func(*Scope, *Array) *Array
		want func(float64) float64
		from func(float64) float64 // the values to try, of ramp's; nil for those
	}{
		{"abs", (*Scope).Abs, math.Abs, nil},
		{"neg", (*Scope).Neg, func(x float64) float64 { return -x }, nil},
		{"exp", (*Scope).Exp, math.Exp, nil},
		{"log", (*Scope).Log, math.Log, positive},
		{"log1p", (*Scope).Log1p, math.Log1p, positive},
		{"sigmoid", (*Scope).Sigmoid, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, nil},
		{"tanh", (*Scope).Tanh, math.Tanh, nil},
		{"erf", (*Scope).Erf, math.Erf, nil},
		{"square", (*Scope).Square, func(x float64) float64 { return x * x }, nil},
		{"sqrt", (*Scope).Sqrt, math.Sqrt, positive},
		{"rsqrt", (*Scope).Rsqrt, func(x float64) float64 { return 1 / math.Sqrt(x) }, positive},
		{"cos", (*Scope).Cos, math.Cos, nil},
		{"sin", (*Scope).Sin, math.Sin, nil},
		{"isnan", (*Scope).IsNaN, func(x float64) float64 { return truth(math.IsNaN(x)) }, func(x float64) float64 { return math.Log(x) }},
		{"isfinite", (*Scope).IsFinite, func(x float64) float64 { return truth(!math.IsNaN(x)) }, func(x float64) float64 { return math.Log(x + 0.01) }},
		{"not", (*Scope).Not, func(x float64) float64 { return truth(x == 0) }, math.Trunc},
	}
	onThread(t, func(s *Scope) error {
		for _, test := range tests {
			x := ramp(100)
			want := make([]float32, len(x))
			for i := range x {
				if test.from != nil {
					x[i] = float32(test.from(float64(x[i])))
				}
				want[i] = float32(test.want(float64(x[i])))
			}
			near(t, test.name, s.Float32s(test.op(s, s.FromFloat32(x, len(x)))), want, 1e-5)
		}
		return nil
	})
}

func TestFunctionsOfTwoElements(t *testing.T) {
	compare := func(f func(a, b float64) bool) func(a, b float64) float64 {
		return func(a, b float64) float64 {
			if f(a, b) {
				return 1
			}
			return 0
		}
	}
	tests := []struct {
		name string
		op   func(s *Scope, a, b *Array) *Array
		want func(a, b float64) float64
	}{
		{"add", (*Scope).Add, func(a, b float64) float64 { return a + b }},
		{"sub", (*Scope).Sub, func(a, b float64) float64 { return a - b }},
		{"mul", (*Scope).Mul, func(a, b float64) float64 { return a * b }},
		{"div", (*Scope).Div, func(a, b float64) float64 { return a / b }},
		{"maximum", (*Scope).Maximum, math.Max},
		{"minimum", (*Scope).Minimum, math.Min},
		{"power", func(s *Scope, a, b *Array) *Array { return s.Power(s.Abs(a), b) }, func(a, b float64) float64 { return math.Pow(math.Abs(a), b) }},
		{"logaddexp", (*Scope).LogAddExp, func(a, b float64) float64 { return math.Log(math.Exp(a) + math.Exp(b)) }},
		{"equal", (*Scope).Equal, compare(func(a, b float64) bool { return a == b })},
		{"less", (*Scope).Less, compare(func(a, b float64) bool { return a < b })},
		{"less_equal", (*Scope).LessEqual, compare(func(a, b float64) bool { return a <= b })},
		{"greater", (*Scope).Greater, compare(func(a, b float64) bool { return a > b })},
		{"greater_equal", (*Scope).GreaterEqual, compare(func(a, b float64) bool { return a >= b })},
		{"and", func(s *Scope, a, b *Array) *Array {
			return s.And(s.Less(a, s.Scalar(1)), s.Less(b, s.Scalar(1)))
		}, compare(func(a, b float64) bool { return a < 1 && b < 1 })},
		{"where", func(s *Scope, a, b *Array) *Array { return s.Where(s.Less(a, b), a, b) }, math.Min},
	}
	a, b := ramp(12), []float32{0.5, -1.5, 1.32, 0.72} // b is broadcast over a's three rows
	onThread(t, func(s *Scope) error {
		for _, test := range tests {
			want := make([]float32, len(a))
			for i := range a {
				want[i] = float32(test.want(float64(a[i]), float64(b[i%4])))
			}
			got := test.op(s, s.FromFloat32(a, 3, 4), s.FromFloat32(b, 4))
			near(t, test.name, s.Float32s(got), want, 1e-5)
		}
		return nil
	})
}

// TestShapes covers the operations whose results can be read off: a is 0 to 5 in two rows of three.
func TestShapes(t *testing.T) {
	index := func(s *Scope, v []int32, shape ...int) *Array { return s.FromInt32(v, shape...) }
	tests := []struct {
		name  string
		op    func(s *Scope, a *Array) *Array
		shape []int
		want  []float32
	}{
		{"reshape", func(s *Scope, a *Array) *Array { return s.Reshape(a, 3, -1) }, []int{3, 2}, []float32{0, 1, 2, 3, 4, 5}},
		{"transpose", func(s *Scope, a *Array) *Array { return s.Transpose(a) }, []int{3, 2}, []float32{0, 3, 1, 4, 2, 5}},
		{"transpose axes", func(s *Scope, a *Array) *Array { return s.Transpose(s.ExpandDims(a, 0), 2, 0, 1) }, []int{3, 1, 2}, []float32{0, 3, 1, 4, 2, 5}},
		{"swapaxes", func(s *Scope, a *Array) *Array { return s.SwapAxes(a, 0, -1) }, []int{3, 2}, []float32{0, 3, 1, 4, 2, 5}},
		{"expand, squeeze", func(s *Scope, a *Array) *Array { return s.Squeeze(s.ExpandDims(a, 0, 2), 0) }, []int{2, 1, 3}, []float32{0, 1, 2, 3, 4, 5}},
		{"flatten", func(s *Scope, a *Array) *Array { return s.Flatten(a, 0, 1) }, []int{6}, []float32{0, 1, 2, 3, 4, 5}},
		{"broadcast", func(s *Scope, a *Array) *Array { return s.BroadcastTo(s.SliceAxis(a, 0, 1, 2), 2, 3) }, []int{2, 3}, []float32{3, 4, 5, 3, 4, 5}},
		{"repeat", func(s *Scope, a *Array) *Array { return s.Repeat(a, 2, 1) }, []int{2, 6}, []float32{0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5}},
		{"pad", func(s *Scope, a *Array) *Array { return s.Pad(a, 1, 1, 0) }, []int{2, 4}, []float32{0, 0, 1, 2, 0, 3, 4, 5}},
		{"copy", func(s *Scope, a *Array) *Array { return s.Copy(a) }, []int{2, 3}, []float32{0, 1, 2, 3, 4, 5}},
		{"contiguous", func(s *Scope, a *Array) *Array { return s.Contiguous(s.Transpose(a)) }, []int{3, 2}, []float32{0, 3, 1, 4, 2, 5}},
		{"concatenate", func(s *Scope, a *Array) *Array { return s.Concatenate(0, a, s.SliceAxis(a, 0, 0, 1)) }, []int{3, 3}, []float32{0, 1, 2, 3, 4, 5, 0, 1, 2}},
		{"stack", func(s *Scope, a *Array) *Array { return s.Stack(-1, a, s.Neg(a)) }, []int{2, 3, 2}, []float32{0, 0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5}},
		{"split", func(s *Scope, a *Array) *Array { return s.Split(a, 2, 0)[1] }, []int{1, 3}, []float32{3, 4, 5}},
		{"split at", func(s *Scope, a *Array) *Array { return s.SplitAt(a, 1, 1)[1] }, []int{2, 2}, []float32{1, 2, 4, 5}},
		{"slice", func(s *Scope, a *Array) *Array { return s.Slice(a, []int{0, 0}, []int{2, 3}, []int{1, 2}) }, []int{2, 2}, []float32{0, 2, 3, 5}},
		{"slice axis", func(s *Scope, a *Array) *Array { return s.SliceAxis(a, -1, -2, 3) }, []int{2, 2}, []float32{1, 2, 4, 5}},
		{"slice update", func(s *Scope, a *Array) *Array {
			return s.SliceUpdate(a, s.Full(9, quant.F32, 2, 1), []int{0, 1}, []int{2, 2}, nil)
		}, []int{2, 3}, []float32{0, 9, 2, 3, 9, 5}},
		{"take rows", func(s *Scope, a *Array) *Array { return s.Take(a, index(s, []int32{1, 0, 1}, 3), 0) }, []int{3, 3}, []float32{3, 4, 5, 0, 1, 2, 3, 4, 5}},
		{"take along axis", func(s *Scope, a *Array) *Array { return s.TakeAlongAxis(a, index(s, []int32{2, 0}, 2, 1), 1) }, []int{2, 1}, []float32{2, 3}},
		{"put along axis", func(s *Scope, a *Array) *Array {
			return s.PutAlongAxis(a, index(s, []int32{2, 0}, 2, 1), s.Full(7, quant.F32, 2, 1), 1)
		}, []int{2, 3}, []float32{0, 1, 7, 7, 4, 5}},
		{"scatter add axis", func(s *Scope, a *Array) *Array {
			return s.ScatterAddAxis(a, index(s, []int32{2, 2, 0, 1}, 2, 2), s.Full(10, quant.F32, 2, 2), 1)
		}, []int{2, 3}, []float32{0, 1, 22, 13, 14, 5}},
		{"tril", func(s *Scope, a *Array) *Array { return s.Tril(a, 0) }, []int{2, 3}, []float32{0, 0, 0, 3, 4, 0}},
		{"triu", func(s *Scope, a *Array) *Array { return s.Triu(a, 1) }, []int{2, 3}, []float32{0, 1, 2, 0, 0, 5}},
		{"eye", func(s *Scope, a *Array) *Array { return s.Eye(2, quant.F32) }, []int{2, 2}, []float32{1, 0, 0, 1}},
		{"arange", func(s *Scope, a *Array) *Array { return s.Arange(1, 4, 1, quant.F32) }, []int{3}, []float32{1, 2, 3}},
		{"view", func(s *Scope, a *Array) *Array { return s.View(s.View(a, quant.U32), quant.F32) }, []int{2, 3}, []float32{0, 1, 2, 3, 4, 5}},
		{"sum", func(s *Scope, a *Array) *Array { return s.Sum(a, 0, true) }, []int{1, 3}, []float32{3, 5, 7}},
		{"mean", func(s *Scope, a *Array) *Array { return s.Mean(a, -1, false) }, []int{2}, []float32{1, 4}},
		{"max", func(s *Scope, a *Array) *Array { return s.Max(a, 0, false) }, []int{3}, []float32{3, 4, 5}},
		{"min", func(s *Scope, a *Array) *Array { return s.Min(a, 1, false) }, []int{2}, []float32{0, 3}},
		{"argmax", func(s *Scope, a *Array) *Array {
			return s.ArgMax(s.Sub(s.Scalar(2), s.Square(s.Sub(a, s.Scalar(1)))), 1, false)
		}, []int{2}, []float32{1, 0}},
		{"all", func(s *Scope, a *Array) *Array { return s.All(s.Greater(a, s.Scalar(0)), 1, false) }, []int{2}, []float32{0, 1}},
		{"any", func(s *Scope, a *Array) *Array { return s.Any(s.Greater(a, s.Scalar(4)), 1, false) }, []int{2}, []float32{0, 1}},
		{"cumsum", func(s *Scope, a *Array) *Array { return s.Cumsum(a, 1) }, []int{2, 3}, []float32{0, 1, 3, 3, 7, 12}},
		{"argsort", func(s *Scope, a *Array) *Array { return s.ArgSort(s.Neg(a), 1) }, []int{2, 3}, []float32{2, 1, 0, 2, 1, 0}},
		{"sort", func(s *Scope, a *Array) *Array { return s.Sort(s.Neg(a), 1) }, []int{2, 3}, []float32{-2, -1, 0, -5, -4, -3}},
		{"argpartition", func(s *Scope, a *Array) *Array { return s.SliceAxis(s.ArgPartition(a, -1, 1), 1, 2, 3) }, []int{2, 1}, []float32{2, 2}},
		{"topk", func(s *Scope, a *Array) *Array { return s.Sort(s.TopK(a, 2, 1), 1) }, []int{2, 2}, []float32{1, 2, 4, 5}},
		{"logsumexp", func(s *Scope, a *Array) *Array { return s.LogSumExp(s.Mul(a, s.Scalar(0)), 1, false) }, []int{2}, []float32{1.0986123, 1.0986123}},
		{"softmax", func(s *Scope, a *Array) *Array { return s.Softmax(a, 0, true) }, []int{2, 3}, []float32{0.04742587, 0.04742587, 0.04742587, 0.95257413, 0.95257413, 0.95257413}},
	}
	onThread(t, func(s *Scope) error {
		a := s.FromFloat32([]float32{0, 1, 2, 3, 4, 5}, 2, 3)
		for _, test := range tests {
			got := test.op(s, a)
			if !slices.Equal(got.Shape(), test.shape) {
				t.Errorf("%s: shape %v, want %v", test.name, got.Shape(), test.shape)
			}
			near(t, test.name, s.Float32s(got), test.want, 1e-6)
		}
		return nil
	})
}

func TestArrayDescribesItself(t *testing.T) {
	onThread(t, func(s *Scope) error {
		a := s.Zeros(quant.BF16, 2, 3, 4)
		if a.Dim(-1) != 4 || a.Dim(0) != 2 || a.Size() != 24 || a.NumBytes() != 48 || a.Dtype() != quant.BF16 {
			t.Errorf("got %v %d %d %s", a.Shape(), a.Size(), a.NumBytes(), a.Dtype())
		}
		if d := s.ScalarLike(2, a).Dtype(); d != quant.BF16 {
			t.Errorf("a scalar like bf16 is %s", d)
		}
		if d := s.Mul(a, s.Scalar(2)).Dtype(); d != quant.F32 {
			t.Errorf("bf16 times a float32 scalar is %s", d)
		}
		return nil
	})
}

func TestDataGoesInAndOut(t *testing.T) {
	onThread(t, func(s *Scope) error {
		raw := []byte{1, 2, 3, 4, 5, 6, 7, 8}
		for _, d := range []quant.Dtype{quant.U8, quant.I8, quant.U16, quant.I16, quant.F16, quant.BF16, quant.U32, quant.I32, quant.F32, quant.U64, quant.I64, quant.F64} {
			if d == quant.F64 && s.Device() == GPU {
				continue // which has none
			}
			a := s.FromBytes(raw, d, 8/d.Size())
			if got := s.Bytes(a); !slices.Equal(got, raw) || a.Dtype() != d {
				t.Errorf("%s came back as %s, %v", d, a.Dtype(), got)
			}
		}
		filled, err := s.Fill(quant.F32, []int{2, 1}, func(dst []byte) error {
			copy(dst, []byte{0, 0, 128, 63, 0, 0, 0, 64}) // 1 and 2
			return nil
		})
		if err != nil {
			return err
		}
		near(t, "filled", s.Float32s(s.Add(filled, filled)), []float32{2, 4}, 0)
		near(t, "filled, transposed", s.Float32s(s.Transpose(filled)), []float32{1, 2}, 0)
		if got := s.Int32s(s.Full(-3, quant.I32, 2)); !slices.Equal(got, []int32{-3, -3}) {
			t.Errorf("int32s: %v", got)
		}
		if got := s.Float32s(s.Zeros(quant.F32, 0, 3)); len(got) != 0 {
			t.Errorf("an empty array has %d values", len(got))
		}
		return nil
	})
}
