package source

import (
	"fmt"

	"qimport/convert/safetensors"
	"qimport/quant"
)

// Adapter is a set of changes to a model that were learnt beside it, as a source has taken it in.
type Adapter struct {
	Name   string  // of its directory, for people
	Maker  string  // whose form it has: PEFT or mlx-lm
	Scale  float64 // what the user wants its changes multiplied by
	Shard  int     // index into Inventory.Shards: the file of its arrays
	Config string  // SHA-256 of its adapter_config.json, in hex
}

// Update is what an adapter adds to a tensor: scale·B·A to some of its rows or, of a stack, to the
// same rows of each of some experts, each with matrices of its own; or rows in the place of some. Rows are
// counted over all leading dimensions.
type Update struct {
	Adapter     int // index into Inventory.Adapters
	Rank        int
	Scale       float32 // all factors together
	A, B        Factor  // [rank, columns], [rows, rank]
	Magnitude   Part    // DoRA: the norm [rows] that each row gets after that; else none
	First, Rows int     // of the first expert, or of the matrix
	Experts     int     // 1 for a matrix
	Step        int     // rows from one expert to the next
	Whole       bool    // the rows are those of A, in the place of what was there
}

// Factor is a matrix within an array of an adapter, by strides in elements: that of expert e has its
// element of rank k and of column or row i at e*Expert + k*Rank + i*Along, from element First on.
type Factor struct {
	Part                       Part
	First, Expert, Rank, Along int
}

// Fused says whether adapters change the tensor's numbers on their way: Load lends float32 then.
func (t Tensor) Fused() bool { return len(t.Updates) > 0 }

// Lends is the format that Load lends the tensor in.
func (t Tensor) Lends() quant.Format {
	if t.Fused() {
		return quant.FormatF32
	}
	return t.Format
}

// Adapt takes in an adapter whose arrays lie in file, which is the source's to close from then on: its
// tensors stand in the place of those of the same names. They name file by the index that the next
// shard has. sha256 is that of the file.
func (s *Source) Adapt(a Adapter, file *safetensors.File, sha256 string, changed []Tensor) {
	inv := &s.inv
	a.Shard = len(inv.Shards)
	inv.Shards = append(inv.Shards[:a.Shard:a.Shard], Shard{Name: file.Name(), Path: file.Path, Size: file.Size(), SHA256: sha256})
	inv.Adapters = append(inv.Adapters[:len(inv.Adapters):len(inv.Adapters)], a)
	s.shards = append(s.shards, file)
	tensors := append([]Tensor{}, inv.Tensors...)
	for _, t := range changed {
		if i, ok := findTensor(tensors, t.Name); ok {
			tensors[i] = t
		}
	}
	inv.Tensors = tensors
}

// Fuse adds what adapters change of rows from on of piece i, which values holds decoded. Adapters are
// fused one after the other, each over what the one before has left.
func (s *Source) Fuse(t Tensor, i, from int, values []float32) error {
	cols := max(quant.Columns(t.Shape), 1)
	if t.Stacked {
		from += i * quant.Elements(t.Shape[1:]) / cols
	}
	for _, u := range t.Updates {
		for e := range u.Experts {
			first := u.First + e*u.Step
			low, high := max(first, from), min(first+u.Rows, from+len(values)/cols)
			if low >= high {
				continue
			}
			if err := s.fuseRows(u, e, low-first, values[(low-from)*cols:(high-from)*cols], cols); err != nil {
				return fmt.Errorf("%w: %s: %w", ErrSource, s.inv.Shards[u.A.Part.Shard].Name, err)
			}
		}
	}
	return nil
}

// ranksAtOnce is how many rows of A are in memory at a time.
const ranksAtOnce = 64

// fuseRows changes rows from on of the rows that the update has for expert e.
func (s *Source) fuseRows(u Update, e, from int, values []float32, cols int) error {
	rows := len(values) / cols
	if u.Whole {
		own, err := s.read(u.A.Part, u.A.at(e, from, 0), run{rows, u.A.Rank}, run{cols, u.A.Along})
		copy(values, own)
		return err
	}
	for k := 0; k < u.Rank; k += ranksAtOnce {
		rank := min(ranksAtOnce, u.Rank-k)
		a, err := s.read(u.A.Part, u.A.at(e, k, 0), run{rank, u.A.Rank}, run{cols, u.A.Along})
		if err != nil {
			return err
		}
		b, err := s.read(u.B.Part, u.B.at(e, k, from), run{rows, u.B.Along}, run{rank, u.B.Rank})
		if err != nil {
			return err
		}
		for i := range b {
			b[i] *= u.Scale
		}
		quant.AddLowRank(values, b, a, rank)
	}
	if !u.Magnitude.Exists() {
		return nil
	}
	norms, err := s.read(u.Magnitude, from, run{1, 0}, run{rows, 1})
	if err == nil {
		quant.ScaleRows(values, norms)
	}
	return err
}

func (f Factor) at(e, k, i int) int { return f.First + e*f.Expert + k*f.Rank + i*f.Along }

// run is a number of elements, and how far they are apart.
type run struct{ n, step int }

// read copies outer times inner elements of an array, from element first on, as float32.
func (s *Source) read(p Part, first int, outer, inner run) ([]float32, error) {
	lent, err := s.shards[p.Shard].Bytes(p.Name)
	if err != nil {
		return nil, err
	}
	size := p.Dtype.Size()
	own := make([]byte, 0, outer.n*inner.n*size)
	err = s.Guard(func() error {
		for o := range outer.n {
			at := (first + o*outer.step) * size
			if inner.step == 1 {
				own = append(own, lent[at:at+inner.n*size]...)
				continue
			}
			for i := range inner.n {
				element := at + i*inner.step*size
				own = append(own, lent[element:element+size]...)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	values := make([]float32, outer.n*inner.n)
	return values, quant.ToFloat32(values, own, p.Dtype)
}

// loadFused lends a tensor that adapters change: decoded, whole, in memory of its own.
func (s *Source) loadFused(t Tensor) (quant.Tensor, error) {
	values := make([]float32, quant.Elements(t.Shape))
	size := len(values) / len(t.Pieces)
	for i := range t.Pieces {
		piece, err := s.LoadPiece(t, i)
		if err != nil {
			return quant.Tensor{}, err
		}
		if err := s.decodeFused(t, i, piece, values[i*size:(i+1)*size]); err != nil {
			return quant.Tensor{}, fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		s.releaseAll(piece)
	}
	return quant.Tensor{Shape: t.Shape, Format: quant.FormatF32, Data: quant.Float32s(values).Data}, nil
}

// decodeFused decodes a piece a megabyte of values at a time.
func (s *Source) decodeFused(t Tensor, i int, piece quant.Tensor, values []float32) error {
	cols := max(quant.Columns(t.Shape), 1)
	step := max(1<<18/cols, 1)
	buffer := make([]byte, piece.RowsSize(step))
	for from := 0; from < len(values)/cols; from += step {
		to := min(from+step, len(values)/cols)
		var own quant.Tensor
		if err := s.Guard(func() error { own = piece.CopyRows(buffer, from, to); return nil }); err != nil {
			return err
		}
		rows := values[from*cols : to*cols]
		if err := own.Decode(rows, 0); err != nil {
			return err
		}
		if err := s.Fuse(t, i, from, rows); err != nil {
			return err
		}
	}
	return nil
}
