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

// Input is what a map, or a stack of experts, multiplies, and whether its second moments are kept.
type Input struct {
	layer.Input
	Full   bool
	block  int // the head's is one that no block has
	mapped *layer.Mapped
}

// Inputs lists all inputs whose moments can be taken, layer by layer, and chooses, by what they take in a file, those
// whose second moments are kept: the smallest first, as many as room bytes hold, which is the same choice on every
// machine.
func (m *Model) Inputs(room int64) []Input {
	var all []Input
	add := func(block int, mapped []*layer.Mapped) {
		for _, p := range mapped {
			all = append(all, Input{Input: p.Input(), block: block, mapped: p})
		}
	}
	for i, b := range m.decoder.Blocks {
		add(i, append(b.Mixer.Mapped(), b.FeedForward.Mapped()...))
	}
	add(len(m.decoder.Blocks), m.decoder.Head.Mapped())
	choose(all, room)
	return all
}

func choose(all []Input, room int64) {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(all[a].Bytes(), all[b].Bytes()) })
	for _, i := range order {
		if room -= all[i].Bytes(); room < 0 {
			return
		}
		all[i].Full = true
	}
}

// FullSize is what the second moments of inputs take.
type FullSize struct {
	File   int64    // bytes in a file
	Memory int64    // bytes while they are taken: those of the largest layer
	Left   []string // one tensor of each input for which there was no room
}

// SizeOf is what second moments take, and which are not kept.
func SizeOf(all []Input) (size FullSize) {
	layers, largest := map[int]int64{}, int64(0)
	for _, in := range all {
		if !in.Full {
			size.Left = append(size.Left, in.Tensors[0].Tensor)
			continue
		}
		size.File += in.Bytes()
		layers[in.block] += 2 * in.Bytes() // sums in float64
		largest = max(largest, in.Bytes()/int64(in.Matrices))
	}
	for _, n := range layers {
		size.Memory = max(size.Memory, n)
	}
	size.Memory += 3 * largest // the products of one piece of text, twice, and what is written of them
	return size
}

// Moments reads sequences, each from its own beginning, a layer at a time, and adds up the squares of what
// goes into each linear map and expert. Sequences are cut into pieces of a fixed width, each read on its own.
// The model must use its weights where they lie, which it does on a CPU. take is given the moments of a layer's
// inputs when the layer is done, and of the head's, over the text that one pass over the layers has room for: it may be
// given them several times, each over another part of the text. It is not to keep them. read, if not nil, is told of
// the number of tokens read so far.
func (m *Model) Moments(ctx context.Context, sequences [][]int, inputs []Input, take func([]Moments) error, read func(tokens int)) error {
	if m.Placement.Mode != layer.Quantized || m.Placement.MappedBytes == 0 {
		return errors.New("moments are taken where weights are used as they lie: on a CPU, with compute quantized")
	}
	var pieces [][]int
	for _, ids := range sequences {
		for from := 0; from < len(ids); from += momentsWidth {
			pieces = append(pieces, ids[from:min(from+momentsWidth, len(ids))])
		}
	}
	if err := m.checkAll(pieces); err != nil {
		return err
	}
	w := &inputWatch{inputs: inputs, take: take}
	defer w.stop()
	return m.observeAll(ctx, pieces, alike(pieces), w, read)
}

// inputWatch watches the inputs of a layer while it is read, and hands on what was added up.
type inputWatch struct {
	inputs   []Input
	take     func([]Moments) error
	products layer.Products
}

func (w *inputWatch) begin(block int) {
	for _, in := range w.inputs {
		switch {
		case in.block != block:
		case in.Full:
			in.mapped.Watch(&w.products)
		default:
			in.mapped.Watch(nil)
		}
	}
}

func (w *inputWatch) end(block int) error {
	for _, in := range w.inputs {
		if in.block != block {
			continue
		}
		all := in.mapped.Unwatch()
		if err := w.take(all); err != nil {
			return err
		}
		w.products.TakeBack(all)
	}
	return nil
}

// stop leaves nothing watched, after an error either.
func (w *inputWatch) stop() {
	for _, in := range w.inputs {
		in.mapped.Unwatch()
	}
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
func (m *Model) observeAll(ctx context.Context, sequences, groups [][]int, w *inputWatch, read func(int)) error {
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
		err := m.observePass(ctx, w, all)
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
func (m *Model) observePass(ctx context.Context, w *inputWatch, all []*reading) error {
	if err := m.readWatched(ctx, w, all...); err != nil {
		return err
	}
	for _, r := range all {
		defer r.free()
	}
	return m.do(ctx, func(s *mlx.Scope) error {
		last := len(m.decoder.Blocks)
		w.begin(last)
		for _, head := range m.decoder.Head.Mapped() {
			for _, r := range all {
				for _, x := range r.states {
					head.Observe(s, x)
				}
			}
		}
		return w.end(last)
	})
}
