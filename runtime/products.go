package runtime

import (
	"context"
	"errors"
	"fmt"

	"qimport/quant"
	"qimport/runtime/layer"
	"qimport/runtime/mlx"
	"qimport/runtime/model"
)

// ProductCheck is one kind of product with packed rows, held to its definition on the model's own rows.
type ProductCheck struct {
	Kind string  // format and shape
	Name string  // of the first tensor of that kind
	Off  float64 // the largest difference, in units of what rounding allows: up to 1 is right
	Rows int     // of the input, where that was
	Used bool    // else its weights were decoded instead

	formats []quant.Format
}

// Wrong says whether the product is not what it is defined to be.
func (c ProductCheck) Wrong() bool { return !(c.Off <= 1) }

// String says what was found: "affine:8:128 [512, 256] with 3 rows is off by 340 times what rounding allows (….q_proj.weight)".
func (c ProductCheck) String() string {
	return fmt.Sprintf("%s with %d rows is off by %.3g times what rounding allows (%s)", c.Kind, c.Rows, c.Off, c.Name)
}

// ProductRows are the numbers of rows at which products are checked: kernels are made for one, a few, and
// many, and change at multiples of 32.
func ProductRows() []int { return []int{1, 3, 32, 33, 513} }

// maxProductWork bounds one product of a check, in multiplications: the head of a large vocabulary is not
// multiplied by 513 rows, which the model does not do either.
const maxProductWork = 50e9

// CheckProducts holds every kind of product with packed rows that the model uses to its definition. On a
// GPU that was done when the model was loaded, and what was wrong is not used.
func (m *Model) CheckProducts(ctx context.Context) ([]ProductCheck, error) {
	if m.Info().Device == mlx.GPU {
		return m.products, nil
	}
	return m.checkProducts(ctx)
}

func (m *Model) checkProducts(ctx context.Context) ([]ProductCheck, error) {
	var all []ProductCheck
	seen := map[string]bool{}
	for _, p := range m.decoder.Products() {
		if seen[p.Kind()] {
			continue
		}
		seen[p.Kind()] = true
		c := ProductCheck{Kind: p.Kind(), Name: p.Name(), Used: true, formats: p.Formats()}
		for _, n := range ProductRows() {
			if n > 1 && p.Work(n) > maxProductWork {
				break
			}
			off, err := m.offAt(ctx, p, n)
			if err != nil {
				return nil, err
			}
			if c.Rows == 0 || !(off <= c.Off) {
				c.Off, c.Rows = off, n
			}
		}
		all = append(all, c)
	}
	return all, nil
}

func (m *Model) offAt(ctx context.Context, p layer.Product, n int) (off float64, err error) {
	err = m.do(ctx, func(s *mlx.Scope) error {
		off, err = p.Off(s, n)
		return err
	})
	return off, err
}

// unpackWrong holds a GPU's products to their definition. Where MLX is wrong with a format, its weights are
// decoded and the model is placed anew, if it fits so.
func (m *Model) unpackWrong(ctx context.Context, ck *model.Checkpoint, o Options) error {
	checks, err := m.checkProducts(ctx)
	if err != nil {
		return err
	}
	m.products = checks
	for _, c := range checks {
		if c.Wrong() {
			o.decoded = append(o.decoded, c.formats...)
		}
	}
	if len(o.decoded) == 0 {
		return nil
	}
	d, p, err := place(ck, o, m.Info())
	if errors.Is(err, ErrTooLarge) {
		return nil // wrong products are used, which the checks say
	}
	if err != nil {
		return err
	}
	m.freeParams()
	m.decoder, m.Placement, m.products = d, p, nil
	if err := m.thread.Do(ctx, func(s *mlx.Scope) error { return fill(ctx, s, d.Params()) }); err != nil {
		return err
	}
	for _, c := range checks {
		if c.Wrong() {
			c.Used = false
			m.products = append(m.products, c)
		}
	}
	again, err := m.checkProducts(ctx)
	m.products = append(m.products, again...)
	return err
}
