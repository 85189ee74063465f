package runtime

import (
	"context"
	"errors"
	"fmt"

	"qimport/arch"
	"qimport/arch/files"
	"qimport/runtime/chat"
	"qimport/runtime/layer"
	"qimport/runtime/mlx"
	"qimport/runtime/model"
	"qimport/runtime/tokenizer"
)

// Model is a model in memory, ready to run. Its methods may be called from any goroutine; work on
// the device is done one piece after the other.
type Model struct {
	Config    arch.Config
	Tokenizer *tokenizer.Tokenizer
	Template  *chat.Template // nil if the model has none
	Stop      []int          // tokens that end an answer, from all the places that name them
	Placement Placement
	thread    *mlx.Thread
	decoder   *model.Decoder
}

// Load reads the model that w holds into memory. How it computes is chosen first, from sizes
// alone, and told in Placement; a model that does not fit is refused with the numbers. When Load
// has returned, w may be closed.
func Load(ctx context.Context, w Weights, o Options) (*Model, error) {
	o, err := o.check()
	if err != nil {
		return nil, err
	}
	m := &Model{}
	if err := m.readFiles(w); err != nil {
		return nil, err
	}
	checkpoint, err := model.Open(m.Config, w)
	if err != nil {
		return nil, err
	}
	if m.thread, err = mlx.Start(o.Device); err != nil {
		return nil, err
	}
	if m.decoder, m.Placement, err = place(checkpoint, o, m.thread.Info()); err == nil {
		err = m.thread.Do(ctx, func(s *mlx.Scope) error { return fill(ctx, s, m.decoder.Params()) })
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
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

// Info says which MLX runs the model, and where.
func (m *Model) Info() mlx.Info { return m.thread.Info() }

// Memory is what MLX's arrays take, of all models in the process.
func (m *Model) Memory() mlx.Memory { return mlx.ReadMemory() }

// Close frees the model. Sessions of it must be closed before.
func (m *Model) Close() {
	if m.decoder != nil {
		for _, p := range m.decoder.Params() {
			p.Array.Free()
			p.Array = nil
		}
	}
	m.thread.Close()
}
