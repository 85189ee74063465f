package source

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"qimport/arch"
	"qimport/convert/safetensors"
)

// ErrSource marks a source that is broken, incomplete, contradicts itself or is of a kind that
// qimport does not know. The error's text is one sentence with file and tensor.
var ErrSource = errors.New("source refused")

// ErrScheme marks a source that is quantized in a way that qimport does not read. It may well be sound.
var ErrScheme = errors.New("unsupported quantization")

// unreadable is an error that says by its own words that it is ErrScheme.
func unreadable(format string, args ...any) error {
	return schemeError{fmt.Sprintf(format, args...)}
}

type schemeError struct{ text string }

func (e schemeError) Error() string { return e.text }
func (e schemeError) Unwrap() error { return ErrScheme }

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

// HeadForm is NormForm of the multi-token-prediction head; plain where there is none, or it cannot be told.
func (s *Source) HeadForm() arch.NormForm { return s.inv.HeadForm }

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

// Need asks for mapped bytes lent by Load, LoadPiece or Pieces to be fetched, because they will soon be
// read. Bytes that are not of this source's maps are left alone.
func (s *Source) Need(b []byte) {
	for _, f := range s.shards {
		if f.Need(b) {
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
