package runtime

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"qimport/runtime/layer"
	"qimport/runtime/mlx"
)

// Moments are the second moments of what a tensor's rows are multiplied by.
type Moments = layer.Moments

// momentsWidth is how many tokens a sequence has at most that moments are taken over: several are read side
// by side, and none is padded.
const momentsWidth = 512

// Moments reads sequences, each from its own beginning, a layer at a time, and adds up the squares of what
// goes into each linear map and expert. Sequences are cut into pieces of a fixed width, each read on its own.
// The model must use its weights where they lie, which it does on a CPU. read, if not nil, is told of the
// number of tokens read so far.
func (m *Model) Moments(ctx context.Context, sequences [][]int, full bool, read func(tokens int)) ([]Moments, error) {
	if m.Placement.Mode != layer.Quantized || m.Placement.MappedBytes == 0 {
		return nil, errors.New("moments are taken where weights are used as they lie: on a CPU, with compute quantized")
	}
	var pieces [][]int
	for _, ids := range sequences {
		for from := 0; from < len(ids); from += momentsWidth {
			pieces = append(pieces, ids[from:min(from+momentsWidth, len(ids))])
		}
	}
	if err := m.checkAll(pieces); err != nil {
		return nil, err
	}
	mapped := m.decoder.Mapped()
	chosen := fullOf(sizesOf(mapped))
	for i, p := range mapped {
		p.Watch(full && chosen[i])
	}
	err := m.observeAll(ctx, pieces, alike(pieces), read)
	var all []Moments
	for _, p := range mapped {
		all = append(all, p.Unwatch()...)
	}
	if err != nil {
		return nil, err
	}
	return all, nil
}

// FullSize is what the second moments of a model's inputs take.
type FullSize struct {
	File, Memory int64    // bytes, in a file and while they are taken
	Left         []string // the matrices for whose input MaxFull has no room
}

// FullMoments is what second moments take, and which are not kept.
func (m *Model) FullMoments() FullSize {
	mapped := m.decoder.Mapped()
	var size FullSize
	largest := int64(0)
	for i, chosen := range fullOf(sizesOf(mapped)) {
		if !chosen {
			size.Left = append(size.Left, mapped[i].Name)
			continue
		}
		size.File += mapped[i].FullBytes()
		largest = max(largest, mapped[i].FullBytes())
	}
	size.Memory = 3*size.File + 2*largest // sums in float64 and what becomes of them; the products of one piece of text
	return size
}

// MaxFull bounds what second moments take in a file, in bytes: they grow with the square of a layer's width.
const MaxFull = 4 << 30

func sizesOf(mapped []*layer.Mapped) []int64 {
	sizes := make([]int64, len(mapped))
	for i, p := range mapped {
		sizes[i] = p.FullBytes()
	}
	return sizes
}

// fullOf chooses, by what they take, whose products of any two columns are added up: those that take the least
// first, as many as MaxFull has room for, which is the same choice on every machine.
func fullOf(sizes []int64) []bool {
	order, chosen := make([]int, len(sizes)), make([]bool, len(sizes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(sizes[a], sizes[b]) })
	room := int64(MaxFull)
	for _, i := range order {
		if room -= sizes[i]; room < 0 {
			break
		}
		chosen[i] = true
	}
	return chosen
}

// alike are the sequences that are read side by side: those of one length, as many as a batch has.
func alike(sequences [][]int) [][]int {
	var groups [][]int
	for _, members := range sideBySide(sequences, 0) {
		for i, at := range members {
			if last := len(groups) - 1; i > 0 && len(sequences[members[i-1]]) == len(sequences[at]) {
				groups[last] = append(groups[last], at)
				continue
			}
			groups = append(groups, []int{at})
		}
	}
	return groups
}

// observeAll reads the groups, as many as one pass over the layers has room for.
func (m *Model) observeAll(ctx context.Context, sequences, groups [][]int, read func(int)) error {
	done := 0
	for len(groups) > 0 {
		var all []*reading
		tokens := 0
		for len(groups) > len(all) && tokens < m.pass() {
			members := groups[len(all)]
			x := m.newBatch()
			all = append(all, &reading{batch: &x, slices: slicesOf(sequences, members), last: true})
			tokens += len(members) * len(sequences[members[0]])
		}
		err := m.observePass(ctx, all)
		for _, r := range all {
			r.batch.free()
		}
		if err != nil {
			return err
		}
		groups, done = groups[len(all):], done+tokens
		if read != nil {
			read(done)
		}
	}
	return nil
}

// observePass reads what is in one pass. The head is given the states, and multiplies nothing.
func (m *Model) observePass(ctx context.Context, all []*reading) error {
	if err := m.readLayers(ctx, all...); err != nil {
		return err
	}
	for _, r := range all {
		defer r.free()
	}
	return m.do(ctx, func(s *mlx.Scope) error {
		for _, head := range m.decoder.Head.Mapped() {
			for _, r := range all {
				for _, x := range r.states {
					head.Observe(s, x)
				}
			}
		}
		return nil
	})
}
