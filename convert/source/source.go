package source

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"qimport/arch"
	"qimport/convert/safetensors"
	"qimport/quant"
)

// ErrSource marks a source that is broken, incomplete, contradicts itself or is of a kind that
// qimport does not know. The error's text is one sentence with file and tensor.
var ErrSource = errors.New("source refused")

// Source is a model's logical tensors and files, from a checkpoint directory (OpenDir) or from a
// stored model (OpenStored). It is safe for use by several goroutines; bytes that it lends are
// mapped memory and stay until Close. They are to be read under Guard, by Go code: the file behind
// them may be cut short at any moment.
type Source struct {
	inv    Inventory
	shards []*safetensors.File // as Inventory.Shards
	file   func(name string) ([]byte, error)
}

// Inventory is what the source holds.
func (s *Source) Inventory() Inventory { return s.inv }

// Names are the names of the logical tensors, sorted.
func (s *Source) Names() []string {
	names := make([]string, len(s.inv.Tensors))
	for i, t := range s.inv.Tensors {
		names[i] = t.Name
	}
	return names
}

// NormForm says whether the norms hold w or 1+w, and with it the axes of conv1d.
func (s *Source) NormForm() arch.NormForm { return s.inv.NormForm }

// Load lends a tensor whole. A stack whose experts lie one by one is copied together, which takes
// as much memory as it is large: LoadPiece lends them singly. One that adapters change comes as
// float32, in memory of its own.
func (s *Source) Load(name string) (quant.Tensor, error) {
	t, ok := s.inv.Tensor(name)
	if !ok {
		return quant.Tensor{}, fmt.Errorf("%s has no tensor %s: %w", s.inv.Origin, name, ErrSource)
	}
	if t.Fused() {
		return s.loadFused(t)
	}
	if !t.Stacked {
		return s.LoadPiece(t, 0)
	}
	whole := quant.Tensor{Shape: t.Shape, Format: t.Format, ScaleDtype: t.ScaleDtype}
	for e := range t.Pieces {
		one, err := s.LoadPiece(t, e)
		if err != nil {
			return quant.Tensor{}, err
		}
		if e == 0 { // all are alike
			whole.Data = make([]byte, 0, len(one.Data)*len(t.Pieces))
			whole.Scales = make([]byte, 0, len(one.Scales)*len(t.Pieces))
			whole.Biases = make([]byte, 0, len(one.Biases)*len(t.Pieces))
		}
		err = s.Guard(func() error {
			whole.Data = append(whole.Data, one.Data...)
			whole.Scales = append(whole.Scales, one.Scales...)
			whole.Biases = append(whole.Biases, one.Biases...)
			return nil
		})
		if err != nil {
			return quant.Tensor{}, err
		}
		whole.Global = append(whole.Global, one.Global...)
		for _, b := range [][]byte{one.Data, one.Scales, one.Biases} {
			s.Release(b)
		}
	}
	return whole, nil
}

// small is up to how many bytes an array is copied rather than lent: a norm's, or what scales a whole
// tensor.
const small = 32 << 10

// LoadPiece lends piece i of a tensor of this source's inventory: the tensor itself or, of a
// Stacked one, expert i with shape t.Shape[1:], without what adapters change, which is for Fuse. Small arrays are copies. A global scale comes as the factor that quant.Tensor
// takes, whatever the source's convention; one that is no positive number is ErrSource.
func (s *Source) LoadPiece(t Tensor, i int) (quant.Tensor, error) {
	q, err := s.lend(t, i)
	for _, part := range []*[]byte{&q.Data, &q.Scales, &q.Biases} {
		if err != nil || len(*part) == 0 || len(*part) > small {
			continue
		}
		lent := *part
		err = s.Guard(func() error { *part = bytes.Clone(lent); return nil })
		s.Release(lent) // one read maps a megabyte around it
	}
	return q, err
}

// Pieces lends a tensor as it lies: whole or, of a stack whose experts lie one by one, each of them,
// with the first dimension 1. Nothing is copied, and nothing read but global scales.
func (s *Source) Pieces(name string) ([]quant.Tensor, error) {
	t, ok := s.inv.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("%s has no tensor %s: %w", s.inv.Origin, name, ErrSource)
	}
	pieces := make([]quant.Tensor, len(t.Pieces))
	for i := range pieces {
		var err error
		if pieces[i], err = s.lend(t, i); err != nil {
			return nil, err
		}
		if t.Stacked {
			pieces[i].Shape = append([]int{1}, pieces[i].Shape...)
		}
	}
	return pieces, nil
}

// lend is piece i of a tensor, all of its arrays where they are mapped.
func (s *Source) lend(t Tensor, i int) (quant.Tensor, error) {
	q := quant.Tensor{Shape: t.Shape, Format: t.Format, ScaleDtype: t.ScaleDtype}
	if t.Stacked {
		q.Shape = t.Shape[1:]
	}
	p := t.Pieces[i]
	var global []byte
	for _, part := range []struct {
		from Part
		to   *[]byte
	}{{p.Weight, &q.Data}, {p.Scales, &q.Scales}, {p.Biases, &q.Biases}, {p.Global, &global}} {
		if !part.from.Exists() {
			continue
		}
		b, err := s.shards[part.from.Shard].Bytes(part.from.Name)
		if err != nil {
			return quant.Tensor{}, fmt.Errorf("%w: tensor %s: %w", ErrSource, t.Name, err)
		}
		*part.to = b
	}
	err := s.Guard(func() (err error) {
		q.Global, err = readGlobal(t.Global, global)
		return err
	})
	if err != nil {
		return quant.Tensor{}, fmt.Errorf("%w: %s: tensor %s: %w", ErrSource, s.inv.Shards[p.Global.Shard].Name, p.Global.Name, err)
	}
	return q, nil
}

// readGlobal turns global scales of any convention into factors.
func readGlobal(kind Global, b []byte) ([]float32, error) {
	var factors []float32
	for i := 0; i+4 <= len(b); i += 4 {
		g := math.Float32frombits(binary.LittleEndian.Uint32(b[i:]))
		if !(g > 0) || math.IsInf(float64(g), 0) {
			return nil, fmt.Errorf("the global scale %g is no positive number", g)
		}
		switch kind {
		case GlobalInverse:
			g = 1 / g
		case GlobalAmax:
			g /= 2688
		}
		factors = append(factors, g)
	}
	return factors, nil
}

// Guard runs f, which reads bytes that Load or LoadPiece have lent; where a file was cut short
// meanwhile, the error names it and is safetensors.ErrTruncated. f must hand copies to native code.
func (s *Source) Guard(f func() error) error { return safetensors.Guard(s.shards, f) }

// Release tells the kernel that mapped bytes lent by Load or LoadPiece will not be needed soon, so
// that they stop counting as memory in use. They stay valid and are read from disk again on use.
// Bytes that are not of this source's maps are left alone.
func (s *Source) Release(b []byte) {
	for _, f := range s.shards {
		if f.Release(b) {
			return
		}
	}
}

// Files are the names of the other files of the model (config.json, tokenizer.json …), sorted.
func (s *Source) Files() []string { return s.inv.Files }

// File reads one of the other files; an error that wraps fs.ErrNotExist if there is none.
func (s *Source) File(name string) ([]byte, error) { return s.file(name) }

// Unchanged says whether the files are still those that were opened: an error that names the first
// one whose size, time or identity differs.
func (s *Source) Unchanged() error {
	for _, f := range s.shards {
		if err := f.Unchanged(); err != nil {
			return fmt.Errorf("%w: %w", ErrSource, err)
		}
	}
	return nil
}

// Close unmaps everything; what Load lent is gone.
func (s *Source) Close() error {
	var errs []error
	for _, f := range s.shards {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
