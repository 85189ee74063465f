package runtime

import (
	"context"
	"crypto/sha256"
	"errors"

	"qimport/runtime/mlx"
)

// Sees says whether the model has tensors of a vision tower. One that cannot be run is for Look to say.
func (m *Model) Sees() bool { return m.checkpoint.Sees() }

// Features are what a tower makes of a picture: [tokens, H] each, row by row.
type Features struct {
	Merged    []float32
	Deepstack [][]float32 // what is added after the text model's first layers
}

// Look is what the tower makes of a picture's file. each, unless nil, is given the states [patches, hidden]
// after every block, to keep.
func (m *Model) Look(ctx context.Context, file []byte, each func(block int, states []float32) error) (Features, error) {
	p, err := m.prepare(file, sha256.Sum256(file))
	if err != nil {
		return Features{}, err
	}
	err = m.look(ctx, p, func(s *mlx.Scope, block int, states *mlx.Array) error {
		if each == nil {
			return nil
		}
		return each(block, s.Float32s(states))
	})
	return Features{Merged: p.merged, Deepstack: p.deepstack}, err
}

// Show is the tokens of a request for the session to read, which has read nothing yet and sees the request's
// pictures in their places.
func (x *Session) Show(ctx context.Context, o GenerateOptions) ([]int, error) {
	if x.failed != nil || len(x.tokens) > 0 {
		return nil, errors.New("a session that has read something is shown no request")
	}
	p, err := x.model.prompt(ctx, o, nil)
	if err != nil {
		return nil, err
	}
	for _, picture := range p.pictures {
		if err := x.model.see(ctx, picture.seen); err != nil {
			return nil, err
		}
	}
	x.pictures = p.pictures
	return p.ids, nil
}
