package runtime

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"

	"qimport/quant"
	"qimport/runtime/layer"
	"qimport/runtime/mlx"
	"qimport/runtime/picture"
	"qimport/runtime/vision"
)

// seen is a picture as the text model takes it.
type seen struct {
	digest        [sha256.Size]byte // of its file
	rows, columns int               // of tokens
	pixels        picture.Picture   // as the tower is to see it; empty once it has
	merged        []float32         // [rows*columns, H]; nil until the tower has run
	deepstack     [][]float32       // of the same shape
}

// album is pictures by their digests.
type album map[[sha256.Size]byte]*seen

func (p *seen) tokens() int { return p.rows * p.columns }

// positions is how far the text goes on after the picture: its tokens share their time.
func (p *seen) positions() int { return max(p.rows, p.columns) }

// eyes is what it takes to see: a tower, made when the first picture comes, and how pictures are prepared
// for it.
type eyes struct {
	processor func() (picture.Processor, error) // read once
	tower     *vision.Tower
	opened    []*layer.Mapped
}

// close frees the tower.
func (e *eyes) close() {
	if e.tower != nil {
		freeArrays(e.tower.Params())
	}
	for _, m := range e.opened {
		m.Close()
	}
	e.tower, e.opened = nil, nil
}

// preparer is how pictures are prepared for the model's tower.
func (m *Model) preparer() (picture.Processor, error) {
	if err := m.checkpoint.CheckTower(); err != nil {
		return picture.Processor{}, err
	}
	z := m.Config.Tower
	id, known := m.Tokenizer.ID(imagePad)
	if !known || z.ImageToken != id {
		return picture.Processor{}, fmt.Errorf("config.json says that image_token_id is %d, tokenizer.json that %s is %s: the tower and the tokenizer belong to different models",
			z.ImageToken, imagePad, idOrNone(id, known))
	}
	p, err := m.readProcessor()
	if err != nil {
		return p, err
	}
	if p.Patch != z.Patch || p.Merge != z.Merge || p.Temporal != z.Temporal {
		return p, fmt.Errorf("pictures are prepared in patches of %d pixels, merged by %d, of %d frames; vision_config asks for %d, %d and %d",
			p.Patch, p.Merge, p.Temporal, z.Patch, z.Merge, z.Temporal)
	}
	return p, nil
}

func idOrNone(id int, known bool) string {
	if !known {
		return "no token"
	}
	return fmt.Sprint(id)
}

// readProcessor reads the first of the files that say how pictures are prepared.
func (m *Model) readProcessor() (picture.Processor, error) {
	for _, name := range []string{picture.ProcessorFile, picture.JointFile} {
		b, err := m.weights.File(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return picture.Processor{}, err
		}
		p, err := picture.ReadProcessor(b)
		if err != nil {
			return p, fmt.Errorf("%s: %w", name, err)
		}
		return p, nil
	}
	return picture.Processor{}, fmt.Errorf("the model has neither %s nor %s, which say how pictures are prepared", picture.ProcessorFile, picture.JointFile)
}

// prepare decodes a picture's file, of that digest, and resizes it.
func (m *Model) prepare(file []byte, digest [sha256.Size]byte) (*seen, error) {
	processor, err := m.eyes.processor()
	if err != nil {
		return nil, err
	}
	p, err := picture.Decode(file)
	if err != nil {
		return nil, err
	}
	width, height, err := processor.Size(p.Width, p.Height)
	if err != nil {
		return nil, err
	}
	side := processor.Patch * processor.Merge
	return &seen{digest: digest, rows: height / side, columns: width / side, pixels: p.Resized(width, height)}, nil
}

// see runs the tower over a picture, unless it has.
func (m *Model) see(ctx context.Context, p *seen) error {
	if p.merged != nil {
		return nil
	}
	return m.look(ctx, p, func(*mlx.Scope, int, *mlx.Array) error { return nil })
}

// look runs the tower over a picture; each is given the states after every block.
func (m *Model) look(ctx context.Context, p *seen, each func(s *mlx.Scope, block int, states *mlx.Array) error) error {
	return m.do(ctx, func(s *mlx.Scope) error {
		tower, err := m.openTower(ctx, s)
		if err != nil {
			return err
		}
		processor, err := m.eyes.processor()
		if err != nil {
			return err
		}
		patches, err := processor.Cut(p.pixels)
		if err != nil {
			return err
		}
		f, err := tower.See(s, patches.Values, patches.Rows, patches.Columns, func(block int, states *mlx.Array) error {
			return errors.Join(ctx.Err(), each(s, block, states))
		})
		if err != nil {
			return err
		}
		for _, d := range f.Deepstack {
			p.deepstack = append(p.deepstack, s.Float32s(d))
		}
		p.merged, p.pixels = s.Float32s(f.Merged), picture.Picture{}
		return m.sound()
	})
}

// openTower is the model's tower, loaded when it is first asked for.
func (m *Model) openTower(ctx context.Context, s *mlx.Scope) (*vision.Tower, error) {
	if m.eyes.tower != nil {
		return m.eyes.tower, nil
	}
	tower, err := m.checkpoint.Tower(layer.Compute{Mode: m.Placement.Mode, GPU: m.Info().Device == mlx.GPU, State: quant.F32, Decay: quant.F32})
	if err != nil {
		return nil, err
	}
	opened := eyes{processor: m.eyes.processor, tower: tower}
	for _, p := range tower.Mapped() {
		if err := p.Open(); err != nil {
			opened.close()
			return nil, err
		}
		opened.opened = append(opened.opened, p)
	}
	if err := fill(ctx, s, tower.Params()); err != nil {
		opened.close()
		return nil, err
	}
	m.eyes = opened
	return tower, nil
}
