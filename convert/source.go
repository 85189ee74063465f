package convert

import (
	"errors"

	"qimport/quant"
)

// ErrSource marks a source that is broken, incomplete, contradicts itself or is of a kind that
// qimport does not know. The error's text is one sentence with file and tensor.
var ErrSource = errors.New("source refused")

// Source is a model's logical tensors and files, from a checkpoint directory (OpenDir) or from a
// stored model (OpenStored). It is safe for use by several goroutines; bytes that it lends are
// mapped memory and stay until Close.
type Source struct {
	inv Inventory
}

// Inventory is what the source holds.
func (s *Source) Inventory() Inventory { return s.inv }

// Names are the names of the logical tensors, sorted.
func (s *Source) Names() []string { return nil }

// Load lends a tensor whole. A stack whose experts lie one by one is copied together, which takes
// as much memory as it is large: LoadPiece lends them singly.
func (s *Source) Load(name string) (quant.Tensor, error) { return quant.Tensor{}, nil }

// LoadPiece lends piece i of a tensor of this source's inventory: the tensor itself or, of a
// Stacked one, expert i with shape t.Shape[1:].
func (s *Source) LoadPiece(t Tensor, i int) (quant.Tensor, error) { return quant.Tensor{}, nil }

// Release tells the kernel that mapped bytes lent by Load or LoadPiece will not be needed soon, so
// that they stop counting as memory in use. They stay valid and are read from disk again on use.
// Bytes that are not of this source's maps are left alone.
func (s *Source) Release(b []byte) {}

// Files are the names of the other files of the model (config.json, tokenizer.json …), sorted.
func (s *Source) Files() []string { return s.inv.Files }

// File reads one of the other files; an error that wraps fs.ErrNotExist if there is none.
func (s *Source) File(name string) ([]byte, error) { return nil, nil }

// Unchanged says whether the files are still those that were opened: an error that names the first
// one whose size, time or identity differs.
func (s *Source) Unchanged() error { return nil }

// Close unmaps everything; what Load lent is gone.
func (s *Source) Close() error { return nil }
