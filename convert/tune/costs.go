package tune

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// ErrCosts marks a file of costs that is none.
var ErrCosts = errors.New("not a file of measured costs")

// Costs are what single changes were found to cost, so that a run that was ended goes on from there.
type Costs struct {
	of string // all that they follow from, as a digest
	kl map[cost]float64
}

type cost struct{ group, format string }

// CostsFile is the form in which they are kept.
type CostsFile struct {
	Schema int        `json:"schema"`
	Of     string     `json:"of"`    // digest of all that they follow from
	Costs  []CostLine `json:"costs"` // by group and format
}

// CostLine is what one change costs.
type CostLine struct {
	Group  string  `json:"group"`
	Format string  `json:"format"`
	KL     float64 `json:"kl"` // nats
}

// MaxCosts bounds a file of costs; a line takes some hundred bytes.
const MaxCosts = 64 << 20

// NewCosts is none, of what a digest says.
func NewCosts(of string) *Costs { return &Costs{of, map[cost]float64{}} }

// ReadCosts reads what Append wrote.
func ReadCosts(b []byte) (*Costs, error) {
	var f CostsFile
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCosts, err)
	}
	if _, err := d.Token(); err != io.EOF || f.Schema != 1 {
		return nil, fmt.Errorf("%w: it is of schema %d, or something follows", ErrCosts, f.Schema)
	}
	c := NewCosts(f.Of)
	for _, l := range f.Costs {
		if !(l.KL >= 0) || math.IsInf(l.KL, 0) {
			return nil, fmt.Errorf("%w: %.40q costs %g", ErrCosts, l.Group, l.KL)
		}
		c.Set(l.Group, l.Format, l.KL)
	}
	return c, nil
}

// Of says what the costs follow from.
func (c *Costs) Of() string { return c.of }

// Get is a cost that is known.
func (c *Costs) Get(group, format string) (float64, bool) {
	kl, ok := c.kl[cost{group, format}]
	return kl, ok
}

// Set keeps a cost.
func (c *Costs) Set(group, format string, kl float64) { c.kl[cost{group, format}] = kl }

// Append writes the costs behind b, in the order of their names.
func (c *Costs) Append(b []byte) []byte {
	f := CostsFile{Schema: 1, Of: c.of, Costs: []CostLine{}}
	for k, kl := range c.kl {
		f.Costs = append(f.Costs, CostLine{k.group, k.format, kl})
	}
	slices.SortFunc(f.Costs, func(a, b CostLine) int {
		return strings.Compare(a.Group+"\x00"+a.Format, b.Group+"\x00"+b.Format)
	})
	out, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		panic(err) // strings, and numbers that are finite
	}
	return append(append(b, out...), '\n')
}
