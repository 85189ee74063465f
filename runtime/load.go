package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"qimport/arch"
	"qimport/arch/files"
	"qimport/internal/untrusted"
	"qimport/quant/kernel"
	"qimport/runtime/chat"
	"qimport/runtime/layer"
	"qimport/runtime/mlx"
	"qimport/runtime/model"
	"qimport/runtime/tokenizer"
)

// Model is a model that is ready to run. Its methods may be called from any goroutine; work on
// the device is done one piece after the other.
type Model struct {
	Config     arch.Config
	Tokenizer  *tokenizer.Tokenizer
	Template   *chat.Template // nil if the model has none
	Said       files.Chat     // what the model's files say of a conversation
	Stop       []int          // tokens that end an answer, from all the places that name them
	Placement  Placement
	weights    Weights
	products   []ProductCheck // on a GPU
	thread     *mlx.Thread
	decoder    *model.Decoder
	checkpoint *model.Checkpoint
	eyes       eyes
	head       head
	faults     int   // pages of mapped files that were gone before this model ran
	lost       error // what its own weights were found to be; nothing is computed from then on
	closers    []io.Closer
}

// Load makes the model that w holds ready to run. How it computes is chosen first, from sizes
// alone, and told in Placement; a model that does not fit is refused with the numbers. w must stay
// open until the model is closed: on a CPU, weights are used where they lie.
func Load(ctx context.Context, w Weights, o Options) (*Model, error) {
	o, err := o.check()
	if err != nil {
		return nil, err
	}
	m := &Model{weights: w}
	m.eyes.processor = sync.OnceValues(m.preparer)
	m.faults, _ = kernel.Faults()
	if err := w.Guard(func() error { return m.load(ctx, o) }); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func (m *Model) load(ctx context.Context, o Options) error {
	if err := m.readFiles(m.weights); err != nil {
		return err
	}
	checkpoint, err := model.Open(m.Config, m.weights)
	if err != nil {
		return err
	}
	m.checkpoint = checkpoint
	if m.thread, err = mlx.Start(o.Device); err != nil {
		return err
	}
	if m.decoder, m.Placement, err = place(checkpoint, o, m.thread.Info()); err != nil {
		return err
	}
	for _, p := range m.decoder.Mapped() {
		if err := p.Open(); err != nil {
			return err
		}
	}
	warm := m.warmUp(ctx)
	err = m.thread.Do(ctx, func(s *mlx.Scope) error { return fill(ctx, s, m.decoder.Params()) })
	warm()
	if err != nil {
		return err
	}
	if m.Info().Device == mlx.GPU {
		return m.unpackWrong(ctx, checkpoint, o)
	}
	return nil
}

// readFiles reads config, tokenizer, chat template and stop tokens.
func (m *Model) readFiles(w Weights) error {
	config, err := w.File(files.Config)
	if err != nil {
		return err
	}
	if m.Config, err = arch.ParseConfig(config); err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	data, err := w.File(files.Tokenizer)
	if err != nil {
		return err
	}
	if m.Tokenizer, err = tokenizer.Load(data); err != nil {
		return err
	}
	if n := m.Tokenizer.Size(); n > m.Config.VocabSize {
		return fmt.Errorf("tokenizer.json has ids up to %d, the model's vocabulary ends at %d: it belongs to another model", n-1, m.Config.VocabSize-1)
	}
	said, err := files.Read(w)
	if err != nil {
		return err
	}
	if m.Template, err = chat.Compile(said); err != nil && !errors.Is(err, chat.ErrNoTemplate) {
		return err
	}
	m.Said = said
	m.Stop, err = said.StopTokens(m.Tokenizer.ID)
	return err
}

// fill makes the arrays of all params, one after the other; each is filled on all cores. The memory
// that they passed through on their way to a GPU is given back.
func fill(ctx context.Context, s *mlx.Scope, params []*layer.Param) error {
	for _, p := range params {
		if err := ctx.Err(); err != nil {
			return err
		}
		a, err := s.Fill(p.Dtype, p.Shape, p.Fill)
		if err != nil {
			return err
		}
		p.Array = s.Keep(a)
	}
	if s.Device() == mlx.GPU {
		mlx.ClearCache()
	}
	return nil
}

// do runs f on the device's thread. Weights that turn out not to be there any more are an error that
// names the file, now and from then on.
func (m *Model) do(ctx context.Context, f func(*mlx.Scope) error) error {
	return m.thread.Do(ctx, func(s *mlx.Scope) error {
		if m.lost != nil {
			return m.lost
		}
		err := m.weights.Guard(func() error {
			err := f(s)
			return cmp.Or(m.sound(), err)
		})
		if m.sound() != nil {
			m.lost = err
		}
		return err
	})
}

// sound is an *untrusted.Fault where weights were read that are not there any more: they read as
// zeros. It is asked before anything computed is handed out.
func (m *Model) sound() error {
	if n, at := kernel.Faults(); n > m.faults {
		return &untrusted.Fault{Addr: at}
	}
	return nil
}

// CloseWith makes Close close c as well: what the weights lie in.
func (m *Model) CloseWith(c io.Closer) { m.closers = append(m.closers, c) }

// Info says which MLX runs the model, and where.
func (m *Model) Info() mlx.Info { return m.thread.Info() }

// Memory is what MLX's arrays take, of all models in the process.
func (m *Model) Memory() mlx.Memory { return mlx.ReadMemory() }

// freeParams frees the weights that are arrays.
func (m *Model) freeParams() { freeArrays(m.decoder.Params()) }

func freeArrays(params []*layer.Param) {
	for _, p := range params {
		p.Array.Free()
		p.Array = nil
	}
}

// Close frees the model. Sessions of it must be closed before.
func (m *Model) Close() {
	m.eyes.close()
	m.head.close()
	if m.decoder != nil {
		m.freeParams()
		m.decoder.Close()
	}
	if m.thread != nil {
		m.thread.Close()
	}
	for _, c := range m.closers {
		_ = c.Close() // nothing was written
	}
}
