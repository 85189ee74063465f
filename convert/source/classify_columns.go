package source

import (
	"errors"
	"fmt"

	"qimport/quant"
)

// columns is a tensor of GPTQ or AWQ: integers, zero points and scales that lie input by input. Which
// of the two it is, its bits and its groups all follow from the shapes of the arrays, since the config
// tells that of the tensor; what the config says of them is held to that.
func (c *classifier) columns(b *bundle, t *Tensor) error {
	if err := c.checkColumnArrays(b); err != nil {
		return err
	}
	shape, f, ok := columnFormat(c.shapes(t.Body), b.qweight.Shape)
	if !ok {
		return unreadable("its codes are %s, which are neither those of GPTQ nor of AWQ (gemm) for any shape that the config knows of it: others lay them out for one kernel", b.qweight)
	}
	f, err := c.scheme.columns.settle(f)
	if err != nil {
		return err
	}
	if f.GroupSize, err = columnGroup(shape, b.scales); err != nil {
		return err
	}
	if err := c.scheme.columns.hold(f); err != nil {
		return err
	}
	if err := f.CheckColumns(shape); err != nil {
		return err
	}
	groups, rows := b.scales.Shape[0], shape[0]
	if !b.zeros.is(quant.I32, []int{groups, rows * f.Bits / 32}) {
		return fmt.Errorf("its zero points are %s, where I32 %v is due", b.zeros, []int{groups, rows * f.Bits / 32})
	}
	if b.order.Exists() && (f.Mode == quant.AWQ || !b.order.is(quant.I32, shape[1:])) {
		return fmt.Errorf("%s is %s, which is no order of its %d inputs", b.order.Name, b.order, shape[1])
	}
	t.Shape, t.Format, t.ScaleDtype = shape, f, b.scales.Dtype
	t.Pieces = []Piece{{Weight: b.qweight, Scales: b.scales, Zeros: b.zeros, Order: b.order}}
	return nil
}

// checkColumnArrays refuses what neither GPTQ nor AWQ has.
func (c *classifier) checkColumnArrays(b *bundle) error {
	switch {
	case c.scheme.method != unquantized && c.scheme.method != methodColumns:
		return fmt.Errorf("%s is there, as GPTQ and AWQ have it, but the config says %s", b.qweight.Name, c.scheme.method)
	case b.qweight.Dtype != quant.I32 || len(b.qweight.Shape) != 2:
		return fmt.Errorf("its codes are %s, where I32 in two dimensions is due", b.qweight)
	case !b.scales.Exists() || !b.scales.Dtype.IsFloat() || len(b.scales.Shape) != 2:
		return fmt.Errorf("its scales are %s, where floats in two dimensions are due", b.scales)
	case !b.zeros.Exists():
		return errors.New("its zero points, qzeros, are missing")
	}
	for _, extra := range []Part{b.biases, b.global, b.scale, b.inverse, b.factor, b.divisor} {
		if err := refuse(extra); err != nil {
			return err
		}
	}
	return nil
}

// columnFormat finds the packing that makes codes of that shape of a tensor of one of the shapes known:
// GPTQ [in*bits/32, out], AWQ [in, out*bits/32].
func columnFormat(known [][]int, packed []int) (shape []int, f quant.Format, ok bool) {
	for _, shape := range known {
		if len(shape) != 2 {
			continue
		}
		rows, cols := shape[0], shape[1]
		for bits := 2; bits <= 8; bits++ {
			if rows*bits%32 != 0 || cols*bits%32 != 0 {
				continue
			}
			if packed[0] == cols*bits/32 && packed[1] == rows {
				return shape, quant.Format{Mode: quant.GPTQ, Bits: bits}, true
			}
			if packed[0] == cols && packed[1] == rows*bits/32 && 4 <= bits && bits <= 7 {
				return shape, quant.Format{Mode: quant.AWQ, Bits: bits}, true
			}
		}
	}
	return nil, quant.Format{}, false
}

// columnGroup is how many inputs share a scale; 0 for all of them.
func columnGroup(shape []int, scales Part) (int, error) {
	groups, rows, cols := scales.Shape[0], shape[0], shape[1]
	switch {
	case scales.Shape[1] != rows || groups < 1 || cols%groups != 0:
		return 0, fmt.Errorf("its scales are %s, which are not so many whole groups of its %d inputs for each of its %d rows", scales, cols, rows)
	case groups == 1:
		return 0, nil
	}
	return cols / groups, nil
}
