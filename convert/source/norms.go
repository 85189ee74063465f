package source

import (
	"fmt"
	"math"
	"slices"

	"qimport/arch"
	"qimport/quant"
)

// normGains is what one norm tensor multiplies by, once a reader has added 1 where the form asks
// for it: statistics of its elements.
type normGains struct {
	name     string
	mean     float64
	low      float64 // the twentieth part of the elements is smaller
	negative float64 // share of the elements
}

// normVector is a norm as it is stored.
type normVector struct {
	name string
	w    []float32
}

// settleNorms reads the norm vectors of a hybrid model, which are small, decides by them what no
// conv1d has told, and refuses a source whose conv1d is of one form and whose norms are of the other,
// or were shifted twice.
func (s *Source) settleNorms() error {
	if !s.inv.Config.Family.Hybrid() {
		return nil
	}
	norms, err := s.readNorms(false)
	if err != nil {
		return err
	}
	if s.inv.NormForm == arch.NormsPlain {
		if s.inv.NormForm, err = s.formWithoutConv(norms); err != nil {
			return err
		}
	}
	var gains []normGains
	for _, n := range norms {
		gains = append(gains, measureGains(n.name, n.w, s.inv.NormForm))
	}
	if err := judgeNorms(gains, s.inv.NormForm); err != nil {
		return err
	}
	return s.settleHeadNorms()
}

// readNorms reads the norms that conversions shift: of the text model, or of the multi-token-prediction
// head.
func (s *Source) readNorms(head bool) ([]normVector, error) {
	var norms []normVector
	for _, t := range s.inv.Tensors {
		if t.MTP != head || !arch.ZeroCentred(t.Body) || !t.Format.Dtype.IsFloat() {
			continue
		}
		q, err := s.Load(t.Name)
		if err != nil {
			return nil, err
		}
		w := make([]float32, quant.Elements(t.Shape))
		if err := quant.ToFloat32(w, q.Data, t.Format.Dtype); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		s.Release(q.Data)
		norms = append(norms, normVector{t.Name, w})
	}
	return norms, nil
}

func measureGains(name string, w []float32, form arch.NormForm) normGains {
	shift := 0.0
	if form == arch.NormsRaw {
		shift = 1
	}
	g := normGains{name: name}
	for _, x := range w {
		gain := float64(x) + shift
		g.mean += gain / float64(len(w))
		if gain < 0 {
			g.negative += 1 / float64(len(w))
		}
	}
	sorted := slices.Sorted(slices.Values(w))
	g.low = float64(sorted[len(sorted)/20]) + shift
	return g
}

// The thresholds of judgeNorms and formWithoutConv. Training holds the gains of these families near 1 by weight decay
// on w; the trained models at hand have means from 0.74 to 1.23. A tensor far from that proves
// nothing: nearly all must lie around 0, 1 or 2 together, and be shaped like it, before anything follows.
const (
	minNorms = 4   // judge no fewer
	most     = 0.8 // this share of the tensors must agree
	around   = 0.5 // distance of a mean from 0 or 2
	near     = 0.4 // distance of a mean from 0 or 1, which leaves a gap between them
	shadow   = 0.05
)

// normVerdict is what the gains of all norms together say of their form.
type normVerdict uint8

const (
	normsSound normVerdict = iota
	normsTwice             // gains around 2 and hardly any below 1: 1 was added once too often
	normsNever             // gains around 0, and on both sides of it, which no working norm's are: 1 was never added
)

// verdictOf judges the gains of all norms, and says of how many of them the verdict is true.
func verdictOf(gains []normGains) (verdict normVerdict, of int) {
	if len(gains) < minNorms {
		return normsSound, 0
	}
	var twice, never, above, signs int
	for _, g := range gains {
		twice += one(math.Abs(g.mean-2) < around)
		above += one(g.low > 1)
		never += one(math.Abs(g.mean) < around)
		signs += one(g.negative > shadow)
	}
	need := int(math.Ceil(most * float64(len(gains))))
	switch {
	case twice >= need && above >= need:
		return normsTwice, twice
	case never >= need && 2*signs >= len(gains):
		return normsNever, never
	}
	return normsSound, 0
}

// judgeNorms refuses gains whose form is not that of conv1d.
func judgeNorms(gains []normGains, form arch.NormForm) error {
	switch verdict, of := verdictOf(gains); {
	case verdict == normsTwice && form == arch.NormsShifted:
		return fmt.Errorf("tensor %s: the norms were shifted twice: %d of %d have gains around 2 (this one %.2f), where the +1 of a conversion leaves them around 1",
			gains[0].name, of, len(gains), gains[0].mean)
	case verdict == normsTwice:
		return fmt.Errorf("tensor %s: conv1d is in release form, but the norms are shifted already: %d of %d are around 1 (this one %.2f), and a reader will add 1 again",
			gains[0].name, of, len(gains), gains[0].mean-1)
	case verdict == normsNever:
		return fmt.Errorf("tensor %s: conv1d is in mlx form, but the norms still need +1: %d of %d are around 0 (this one %.2f)",
			gains[0].name, of, len(gains), gains[0].mean)
	}
	return nil
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}
