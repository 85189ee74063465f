package encode

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"qimport/convert/plan"
	"qimport/quant"
)

// What is read is looked at while it is at hand: a tensor of nothing but zeros, and the groups of nvfp4
// that are lost because their scale is too small for e4m3, here or at the source's producer.

// lostShare is the part of a tensor's nvfp4 groups that may be lost before it is told. Weights of an
// ordinary spread lose none; those of a standard deviation of 0.005 without a global scale lose 1.4%.
const lostShare = 0.01

// seen is what was seen of one tensor.
type seen struct {
	nonzero      []atomic.Bool // by piece
	groups, lost atomic.Int64  // of nvfp4
}

// look takes in what a span of the source holds, and what was made of it.
func (tw *tensorWriter) look(s span, src quant.Tensor, made quant.Packed) error {
	if !tw.seen.nonzero[s.piece].Load() {
		zero, err := allZero(src)
		if err != nil {
			return err
		}
		if !zero {
			tw.seen.nonzero[s.piece].Store(true)
		}
	}
	lost, err := 0, error(nil)
	switch {
	case src.Format.Mode == quant.NVFP4:
		lost = lostAtSource(src)
	case tw.plan.Target.Mode == quant.NVFP4:
		lost, err = lostHere(src, made.Scales)
	default:
		return nil
	}
	tw.seen.groups.Add(int64(quant.Elements(src.Shape) / quant.FormatNVFP4.GroupSize))
	tw.seen.lost.Add(int64(lost))
	return err
}

// allZero says whether rows hold nothing but zeros. It ends at the first row that does not.
func allZero(rows quant.Tensor) (bool, error) {
	if rows.Format.Mode == quant.Plain && !rows.Format.Dtype.IsFloat() {
		return false, nil
	}
	cols := quant.Columns(rows.Shape)
	values := make([]float32, cols)
	for row := 0; row*cols < quant.Elements(rows.Shape); row++ {
		if err := rows.Decode(values, row); err != nil {
			return false, err
		}
		for _, v := range values {
			if v != 0 {
				return false, nil
			}
		}
	}
	return true, nil
}

// zeros are the places of the scales that are zero: few, or the tensor is told.
func zeros(scales []byte) iter.Seq[int] {
	return func(yield func(int) bool) {
		for at := 0; at < len(scales); at++ {
			next := bytes.IndexByte(scales[at:], 0)
			if next < 0 || !yield(at+next) {
				return
			}
			at += next
		}
	}
}

// lostAtSource counts the groups of nvfp4 rows with a scale of zero but codes that say something.
func lostAtSource(rows quant.Tensor) int {
	const size = 8 // bytes of a group's codes
	lost := 0
	for at := range zeros(rows.Scales) {
		for _, b := range rows.Data[at*size : (at+1)*size] {
			if b&0x77 != 0 { // a code that is neither 0 nor -0
				lost++
				break
			}
		}
	}
	return lost
}

// lostHere counts the groups that got a scale of zero, and were not zero before.
func lostHere(rows quant.Tensor, scales []byte) (int, error) {
	lost, cols := 0, quant.Columns(rows.Shape)
	var values []float32
	decoded := -1 // row
	for at := range zeros(scales) {
		element := at * quant.FormatNVFP4.GroupSize
		if row := element / cols; row != decoded {
			if values == nil {
				values = make([]float32, cols)
			}
			if err := rows.Decode(values, row); err != nil {
				return lost, err
			}
			decoded = row
		}
		for _, v := range values[element%cols:][:quant.FormatNVFP4.GroupSize] {
			if v != 0 {
				lost++
				break
			}
		}
	}
	return lost, nil
}

// keepSeen remembers what is to be told of a tensor.
func (tw *tensorWriter) keepSeen() {
	if text := tw.seen.text(tw.plan); text != "" {
		tw.mu.Lock()
		defer tw.mu.Unlock()
		if tw.told == nil {
			tw.told = map[string]string{}
		}
		tw.told[tw.plan.Name] = text
	}
}

// text is one sentence about a tensor whose values should not be as they are; "" for all others.
func (s *seen) text(t plan.Tensor) string {
	zeros, first := 0, 0
	for i := range s.nonzero {
		if !s.nonzero[i].Load() {
			if zeros++; zeros == 1 {
				first = i
			}
		}
	}
	groups, lost := s.groups.Load(), s.lost.Load()
	share := float64(lost) / float64(max(groups, 1))
	switch {
	case zeros > 0 && !t.MayBeZero():
		if len(s.nonzero) > 1 && zeros < len(s.nonzero) {
			return fmt.Sprintf("tensor %s: %d of its %d experts hold nothing but zeros, the first is number %d: what they had to say is lost in the source", t.Name, zeros, len(s.nonzero), first)
		}
		return fmt.Sprintf("tensor %s holds nothing but zeros: what it had to say is lost in the source, take another conversion", t.Name)
	case share >= lostShare && t.Source.Mode == quant.NVFP4:
		return fmt.Sprintf("tensor %s: %.1f%% of its nvfp4 groups are lost in the source, their scales being too small for e4m3: take another conversion", t.Name, 100*share)
	case share >= lostShare:
		return fmt.Sprintf("tensor %s: %.1f%% of its groups are lost in nvfp4, their scales being too small for e4m3: give it another type (--override '%s=mxfp8')", t.Name, 100*share, t.Name)
	}
	return ""
}

// Findings are the sentences about the values of the tensors that were read, in the plan's order.
func (e *Engine) Findings(p plan.Plan) []string {
	var out []string
	for _, b := range p.Blobs {
		for _, t := range b.Tensors {
			if text, ok := e.told[t.Name]; ok {
				out = append(out, text)
			}
		}
	}
	return out
}

// nowhere is a Sink that keeps nothing.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error)    { return len(p), nil }
func (nowhere) WriteAhead([]byte, int64) error { return nil }
func (nowhere) Advance(int64) error            { return nil }

// Look reads and encodes every tensor of a plan, as writing it would, keeps nothing, and returns the
// findings.
func (e *Engine) Look(ctx context.Context, p plan.Plan) ([]string, error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(e.AtOnce())
	for _, b := range p.Blobs {
		for _, t := range b.Tensors {
			g.Go(func() error {
				if err := e.Tensor(ctx, b.Name, t, Places{}, nowhere{}); err != nil {
					return fmt.Errorf("tensor %s: %w", t.Name, err)
				}
				return nil
			})
		}
	}
	err := g.Wait()
	return e.Findings(p), err
}
