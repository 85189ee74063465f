package source

import (
	"encoding/binary"
	"fmt"
	"slices"

	"qimport/quant"
)

// What the headers do not tell of tensors in groups is read here, once: whether their inputs lie in the
// order of their groups, and how GPTQ's zero points are stored where no config says it.

// settleColumns reads g_idx of every tensor that has one, and the zero points of one tensor.
func (s *Source) settleColumns(says columnScheme) error {
	first := -1
	for i, t := range s.inv.Tensors {
		if err := s.settleOrder(&s.inv.Tensors[i]); err != nil {
			return err
		}
		if t.Format.IsColumns() && t.Format.Mode != quant.AWQ && first < 0 {
			first = i
		}
	}
	if first < 0 {
		return nil
	}
	return s.settleZeros(first, says)
}

// settleOrder forgets the order of inputs that lie group after group. Of a stack of experts, all keep
// theirs or none.
func (s *Source) settleOrder(t *Tensor) error {
	if !t.OutOfOrder() {
		return nil
	}
	group := t.Format.GroupSize
	for i := range t.Pieces {
		piece, err := s.LoadPiece(*t, i)
		if err != nil {
			return err
		}
		for k := range len(piece.Order) / 4 {
			if g := int(binary.LittleEndian.Uint32(piece.Order[4*k:])); group > 0 && g != k/group {
				return nil
			}
		}
	}
	for i := range t.Pieces {
		t.Pieces[i].Order = Part{}
	}
	return nil
}

// checkOrder refuses a g_idx that names a group which is not there. Of integers it refuses one that leaves a
// group out as well: compressed-tensors counts the groups that are named, so that its next scales would be others.
func checkOrder(q quant.Tensor) error {
	if len(q.Order) == 0 {
		return nil
	}
	groups := q.Format.Groups(quant.Columns(q.Shape))
	named := make([]bool, groups)
	for k := range len(q.Order) / 4 {
		g := int32(binary.LittleEndian.Uint32(q.Order[4*k:]))
		if g < 0 || int(g) >= groups {
			return fmt.Errorf("input %d is of group %d, where there are %d", k, g, groups)
		}
		named[g] = true
	}
	if g := slices.Index(named, false); g >= 0 && q.Format.Mode == quant.Int {
		return fmt.Errorf("no input is of group %d, of %d", g, groups)
	}
	return nil
}

// settleZeros tells by the zero points of one tensor how GPTQ's are stored, if nobody has said it. Of
// symmetric weights all are in the middle: stored as they are, or less one. It also refuses a config
// that says symmetric and has them wrong by that one, as one edited by hand may: all weights would be
// off by a scale.
func (s *Source) settleZeros(first int, says columnScheme) error {
	t := s.inv.Tensors[first]
	if says.mode != quant.Keep && !says.symmetric {
		return nil
	}
	piece, err := s.LoadPiece(t, 0)
	if err != nil {
		return err
	}
	middle := uint32(1) << (t.Format.Bits - 1)
	var zero uint32
	same := false
	err = s.Guard(func() error {
		zero, same = piece.OneZeroPoint()
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case says.mode != quant.Keep && same && zero == middle:
		return nil
	case says.mode != quant.Keep:
		return fmt.Errorf("%s: tensor %s: the config says that weights are symmetric, but its zero points are not the middle, %d; if they are stored as GPTQ's other version has them, checkpoint_format in config.json must say so",
			s.inv.Shards[t.Pieces[0].Zeros.Shard].Name, t.Name, middle)
	case same && zero == middle+1: // read as the first version, that adds one
		for i := range s.inv.Tensors {
			if s.inv.Tensors[i].Format.Mode == quant.GPTQ {
				s.inv.Tensors[i].Format.Mode = quant.GPTQ2
			}
		}
		return nil
	case same && zero == middle:
		return nil
	}
	return fmt.Errorf("%s: tensor %s: GPTQ stores zero points as they are or less one, and without a quantization block in config.json nothing tells which: copy quantize_config.json of the release beside it",
		s.inv.Shards[t.Pieces[0].Zeros.Shard].Name, t.Name)
}
