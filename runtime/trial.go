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

// Trial is texts that a model has read, with the states before each of its layers: what the model would make of
// them with a few other weights costs the layers from the first changed one on. One trial of a model may be open
// at a time.
type Trial struct {
	model  *Model
	texts  []trialText
	states [][][]*mlx.Array // [layers+1][text][slice]: before each layer, and after the last
	uses   map[string]*trialUse
}

// trialText is sequences of one length, which are read side by side.
type trialText struct {
	members []int     // of the sequences
	slices  [][][]int // [slice][member] token ids
}

// trialUse is where a stored tensor is multiplied by.
type trialUse struct {
	stored *layer.Stored
	at     map[int][]*layer.Mapped // by layer; -1 for the embedding, and the number of layers for the head
}

// Change is other tensors in the place of some: Make makes one when the turn of its layer comes, and it is let go
// after that. A tied embedding is made twice.
type Change struct {
	Tensors []string
	Make    func(name string) (quant.Tensor, error)
}

// NewTrial reads sequences, each from its own beginning, and calls each as ScoreBatch does. The model must use
// its weights where they lie, which it does on a CPU; it keeps four bytes for every number of every token's
// state before every layer.
func (m *Model) NewTrial(ctx context.Context, sequences [][]int, each func(sequence, position int, logits []float32) error) (*Trial, error) {
	if m.Placement.Mode != layer.Quantized || m.Placement.MappedBytes == 0 {
		return nil, errors.New("other weights are tried where weights are used as they lie: on a CPU, with compute quantized")
	}
	if err := m.checkAll(sequences); err != nil {
		return nil, err
	}
	if err := m.checkStates(sequences); err != nil {
		return nil, err
	}
	t := &Trial{model: m, uses: m.trialUses(), states: make([][][]*mlx.Array, len(m.decoder.Blocks)+1)}
	for _, members := range alike(sequences) {
		t.texts = append(t.texts, trialText{members, slicesOf(sequences, members)})
	}
	for i := range t.states {
		t.states[i] = make([][]*mlx.Array, len(t.texts))
	}
	if err := t.run(ctx, -1, Change{}, true, each); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// trialUses finds what each tensor is multiplied in.
func (m *Model) trialUses() map[string]*trialUse {
	uses := map[string]*trialUse{}
	add := func(at int, all []*layer.Mapped) {
		for _, mapped := range all {
			for _, stored := range mapped.Stored() {
				u := uses[stored.Name]
				if u == nil {
					u = &trialUse{stored, map[int][]*layer.Mapped{}}
					uses[stored.Name] = u
				}
				u.at[at] = append(u.at[at], mapped)
			}
		}
	}
	d := m.decoder
	add(-1, d.Embedding.Mapped())
	for i, b := range d.Blocks {
		add(i, b.Mixer.Mapped())
		add(i, b.FeedForward.Mapped())
	}
	add(len(d.Blocks), d.Head.Mapped())
	return uses
}

// checkStates refuses to keep more states than there is memory for.
func (m *Model) checkStates(sequences [][]int) error {
	tokens := int64(0)
	for _, ids := range sequences {
		tokens += int64(len(ids))
	}
	p := m.Placement
	need := 4 * tokens * int64(m.Config.HiddenSize) * int64(len(m.decoder.Blocks)+1)
	if room := p.LimitBytes - p.HeldBytes(); p.LimitBytes > 0 && need > room {
		return fmt.Errorf("%w: the states of %d tokens before every layer take %s, and may take %s; read fewer tokens, or give more with --memory",
			ErrTooLarge, tokens, size(need), size(room))
	}
	return nil
}

// Has says whether the text model multiplies by that tensor; all others cannot be tried.
func (t *Trial) Has(tensor string) bool { return t.uses[tensor] != nil }

// Try calls each with the logits that the model has with other tensors in the place of some. Afterwards the model
// is as it was.
func (t *Trial) Try(ctx context.Context, c Change, each func(sequence, position int, logits []float32) error) error {
	from := len(t.model.decoder.Blocks)
	for _, name := range c.Tensors {
		u := t.uses[name]
		if u == nil {
			return fmt.Errorf("tensor %s is none that the text model multiplies by", name)
		}
		for at := range u.at {
			from = min(from, at)
		}
	}
	return t.run(ctx, from, c, false, each)
}

// run takes the texts through the layers from one on, all of them through one before the next: a weight is read
// once. keep has the states kept.
func (t *Trial) run(ctx context.Context, from int, c Change, keep bool, each func(int, int, []float32) error) error {
	states, owned := make([][]*mlx.Array, len(t.texts)), false // to be freed here
	defer func() {
		if owned {
			freeStates(states)
		}
	}()
	if from >= 0 {
		states = t.states[from]
	}
	head := len(t.model.decoder.Blocks)
	for i := from; i < head; i++ {
		var made [][]*mlx.Array
		err := t.changed(i, c, func() (err error) {
			made, err = t.layer(ctx, i, states)
			return err
		})
		if owned {
			freeStates(states)
		}
		if states, owned = made, !keep; err != nil {
			return err
		}
		if keep {
			t.states[i+1] = made
		}
	}
	return t.changed(head, c, func() error { return t.score(ctx, states, each) })
}

// changed runs f while the tensors of one layer are others.
func (t *Trial) changed(at int, c Change, f func() error) (err error) {
	var touched []*layer.Mapped
	defer func() { // after the tensors are what they were
		err = errors.Join(err, t.model.decoder.Reopen(at, touched))
	}()
	for _, name := range c.Tensors {
		mapped := t.uses[name].at[at]
		if len(mapped) == 0 {
			continue
		}
		by, err := c.Make(name)
		if err != nil {
			return err
		}
		restore, err := t.uses[name].stored.Replace(by)
		if err != nil {
			return err
		}
		defer restore()
		touched = append(touched, mapped...)
	}
	if err := t.model.decoder.Reopen(at, touched); err != nil {
		return err
	}
	return f()
}

// layer takes all texts through a layer, or with -1 through the embedding.
func (t *Trial) layer(ctx context.Context, i int, states [][]*mlx.Array) ([][]*mlx.Array, error) {
	made := make([][]*mlx.Array, len(t.texts))
	for at := range t.texts {
		err := t.model.do(ctx, func(s *mlx.Scope) (err error) {
			made[at], err = t.text(s, i, at, states[at])
			return err
		})
		if err != nil {
			freeStates(made)
			return nil, err
		}
	}
	return made, nil
}

// text takes one of them through a layer.
func (t *Trial) text(s *mlx.Scope, i, text int, in []*mlx.Array) (out []*mlx.Array, err error) {
	var cache layer.Cache
	defer cache.Free()
	for at, slice := range t.texts[text].slices {
		err = s.Nested(func(s *mlx.Scope) error {
			var y *mlx.Array
			if i < 0 {
				y = t.model.decoder.Embed(s, padded(s, slice), model.Sight{})
			} else {
				y = t.model.decoder.Block(s, i, in[at], &cache, model.Sight{})
			}
			if err := s.Eval(append(cache.Live(), y)...); err != nil {
				return err
			}
			out = append(out, s.Keep(y))
			return nil
		})
		if err != nil {
			freeStates([][]*mlx.Array{out})
			return nil, err
		}
	}
	return out, t.model.sound()
}

// score hands on the logits of the states after the last layer.
func (t *Trial) score(ctx context.Context, states [][]*mlx.Array, each func(int, int, []float32) error) error {
	x := t.model.newBatch()
	for at, text := range t.texts {
		from := 0
		for i, slice := range text.slices {
			err := t.model.do(ctx, func(s *mlx.Scope) error {
				return x.score(s, t.model.decoder.Norm.Apply(s, states[at][i]), slice, func(row, at int, logits []float32) error {
					return each(text.members[row], from+at, logits)
				})
			})
			if err != nil {
				return err
			}
			from += len(slice[0])
		}
	}
	return nil
}

// Close gives the states back.
func (t *Trial) Close() {
	for _, states := range t.states {
		freeStates(states)
	}
	t.states = nil
}

func freeStates(states [][]*mlx.Array) {
	for _, text := range states {
		for _, x := range text {
			x.Free()
		}
	}
}
