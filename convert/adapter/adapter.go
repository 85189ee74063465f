package adapter

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"qimport/arch"
	"qimport/convert/safetensors"
	"qimport/internal/untrusted"
)

// ErrAdapter marks an adapter that is broken, of a kind that cannot be fused, or not for this model. The
// error's text names the tensor.
var ErrAdapter = errors.New("adapter refused")

const (
	configName = "adapter_config.json"
	maxConfig  = 16 << 20 // bytes; one that names every module of a model has a tenth of one
)

// Adapter is an open directory: which changes it makes, and where the arrays lie.
type Adapter struct {
	Dir    string
	Maker  string        // "PEFT" or "mlx-lm"
	Form   arch.NormForm // of norms and conv1d that it replaces, in hybrid families
	Config string        // SHA-256 of adapter_config.json, in hex
	SHA256 string        // of the file of arrays
	name   string        // that it was given; "" for none
	file   *safetensors.File
	arrays map[string]safetensors.Tensor // of file, by name
	// changes are low-rank ones, by module; replaced are whole tensors by their name in the model, with
	// the name of the array.
	changes  []change
	replaced []replacement
}

// change is what is added to the weight of one module.
type change struct {
	module          string // its path in the model
	a, b, magnitude string // names of arrays; magnitude is "" without DoRA
	scale           float64
	rank            int
	embedding       bool   // PEFT: of an embedding, the product transposed
	tokens          string // the name of an array of rows, in the place of those of ids; "" for none
	ids             []int
	mlx             bool // the arrays have mlx-lm's axes
}

type replacement struct{ name, array string }

// Name is what people call the adapter.
func (a *Adapter) Name() string {
	if a.name != "" {
		return a.name
	}
	if dir, err := filepath.Abs(a.Dir); err == nil {
		return filepath.Base(dir)
	}
	return filepath.Base(a.Dir)
}

// Open reads an adapter's config and the header of its arrays, and hashes both files. The error is
// ErrAdapter, or that of a file that cannot be read.
func Open(dir string) (*Adapter, error) {
	a := &Adapter{Dir: dir}
	if err := a.open(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrAdapter, dir, err)
	}
	return a, nil
}

func (a *Adapter) open() error {
	raw, err := untrusted.ReadFile(filepath.Join(a.Dir, configName), maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no %s: it is not the directory of an adapter", configName)
	}
	if err != nil {
		return err
	}
	if err := a.read(raw, a.openFile); err != nil {
		return err
	}
	sum := sha256.Sum256(raw)
	a.Config = hex.EncodeToString(sum[:])
	a.SHA256, err = hashFile(a.file)
	return err
}

// read says from a config and the header of the arrays, which open reads under the name that the maker
// gives them, what the adapter changes.
func (a *Adapter) read(raw []byte, open func(name string) (safetensors.Header, error)) error {
	var keys map[string]json.RawMessage
	if err := untrusted.Unmarshal(raw, &keys); err != nil {
		return fmt.Errorf("%s: %w", configName, err)
	}
	_, peft := keys["peft_type"]
	_, mlx := keys["fine_tune_type"]
	_, params := keys["lora_parameters"]
	reader, err := maker(nil), error(nil)
	switch {
	case peft:
		reader, err = newPEFT(raw, keys)
	case mlx || params:
		reader, err = newMLX(raw)
	default:
		err = errors.New("it has neither peft_type nor fine_tune_type: supported are adapters of PEFT and of mlx-lm")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", configName, err)
	}
	a.Maker, a.Form = reader.who()
	h, err := open(reader.fileName())
	if err == nil {
		err = a.index(h)
	}
	if err == nil {
		err = reader.read(a, h.Tensors)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", reader.fileName(), err)
	}
	return nil
}

// maker reads the arrays of one kind of adapter, whose config it has read.
type maker interface {
	who() (name string, form arch.NormForm)
	fileName() string
	read(a *Adapter, arrays []safetensors.Tensor) error
}

// openFile opens the arrays.
func (a *Adapter) openFile(name string) (safetensors.Header, error) {
	var err error
	a.file, err = safetensors.Open(filepath.Join(a.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("it is not there, and no other form of an adapter's weights is read: %w", err)
	}
	if err != nil {
		return safetensors.Header{}, err
	}
	return a.file.Header, nil
}

// index lists the arrays by name, and checks names and dtypes.
func (a *Adapter) index(h safetensors.Header) error {
	a.arrays = map[string]safetensors.Tensor{}
	for _, t := range h.Tensors {
		if err := untrusted.CheckName(t.Name); err != nil {
			return fmt.Errorf("tensor %.60q: %w", t.Name, err)
		}
		if !t.Dtype.IsFloat() {
			return fmt.Errorf("tensor %s is %s; supported: bf16, f16, f32", t.Name, t.Dtype)
		}
		a.arrays[t.Name] = t
	}
	if len(a.arrays) == 0 {
		return errors.New("it has no tensors: the adapter changes nothing")
	}
	return nil
}

// hashFile is the SHA-256 of a file, as long as it was when it was opened.
func hashFile(f *safetensors.File) (string, error) {
	in, _, err := untrusted.Open(f.Path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	sum := sha256.New()
	if n, err := io.Copy(sum, io.LimitReader(in, f.Size())); err != nil || n != f.Size() {
		return "", fmt.Errorf("%s was cut while it was read: %w", f.Name(), errors.Join(err, safetensors.ErrTruncated))
	}
	return hex.EncodeToString(sum.Sum(nil)), f.Unchanged()
}
