package calibration

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"qimport/convert/safetensors"
	"qimport/internal/replace"
	"qimport/internal/untrusted"
	"qimport/quant"
)

// A calibration is a safetensors file, so that other programs can read it:
//
//	NAME.mean_square  F32 [in] or [experts, in]  the mean of the squares of each column of the input
//	NAME.rows         I64 [1] or [experts]       how many rows of input that is: how often an expert was chosen
//	NAME.second_moments  F32 [in, in]            the mean of the products of any two columns, where it was kept;
//	                     or [experts, in, in]    of each expert, where each reads what it has made itself
//	norm              F32 [hidden]               gains of the model's last norm
//
// Its metadata hold "calibration" (the version, 1), "model", "text" and "tokens". Maps that read the same input
// have the same second moments: they are written for the first of them, and "same_second_moments", an object,
// names it for the others.
const (
	version    = "1"
	meanSuffix = ".mean_square"
	rowsSuffix = ".rows"
	fullSuffix = ".second_moments"
	normName   = "norm"
	sameKey    = "same_second_moments"
)

// maxFile bounds a file, in bytes: that of a model of 397 billion parameters, with 60 times 512 experts,
// has 0.8 GB; second moments, which are kept of as many tensors as go into runtime.MaxFull, come to that.
const maxFile = 5 << 30

// Read reads a file.
func Read(path string) (*Calibration, error) {
	b, err := untrusted.ReadFile(path, maxFile)
	if err != nil {
		return nil, err
	}
	c, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c.File = path
	return c, nil
}

// Parse reads the bytes of a file. Every error is ErrCalibration.
func Parse(b []byte) (*Calibration, error) {
	h, err := safetensors.ParseHeader(b, int64(len(b)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCalibration, err)
	}
	c, err := parse(h, b[h.DataStart:])
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCalibration, err)
	}
	c.Digest = digest(b)
	return c, nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func parse(h safetensors.Header, data []byte) (*Calibration, error) {
	if v := h.Metadata["calibration"]; v != version {
		return nil, fmt.Errorf("it is no calibration of version %s (its metadata say %.20q)", version, v)
	}
	c := &Calibration{Model: untrusted.Text(h.Metadata["model"]), Text: h.Metadata["text"]}
	var err error
	if c.Tokens, err = strconv.ParseInt(h.Metadata["tokens"], 10, 64); err != nil {
		return nil, fmt.Errorf("its tokens are %.20q, no number", h.Metadata["tokens"])
	}
	rows, full := map[string][]int64{}, map[string]safetensors.Tensor{}
	for _, t := range h.Tensors {
		part := data[t.Begin:t.End]
		switch name, isRows := strings.CutSuffix(t.Name, rowsSuffix); {
		case t.Name == normName && t.Dtype == quant.F32 && len(t.Shape) == 1:
			c.Norm = floats(part)
		case isRows && t.Dtype == quant.I64 && len(t.Shape) == 1:
			rows[name] = integers(part)
		case strings.HasSuffix(t.Name, fullSuffix) && t.Dtype == quant.F32 && areSquares(t.Shape):
			full[strings.TrimSuffix(t.Name, fullSuffix)] = t
		case strings.HasSuffix(t.Name, meanSuffix) && t.Dtype == quant.F32 && (len(t.Shape) == 1 || len(t.Shape) == 2):
			c.Tensors = append(c.Tensors, Tensor{Name: strings.TrimSuffix(t.Name, meanSuffix), In: quant.Columns(t.Shape), Mean: floats(part)})
		default:
			return nil, fmt.Errorf("it has a tensor %.200q, %s %v, which no calibration has", t.Name, t.Dtype, t.Shape)
		}
	}
	for i := range c.Tensors {
		t := &c.Tensors[i]
		t.Rows = rows[t.Name]
		delete(rows, t.Name)
		square, ok := full[t.Name]
		if !ok {
			continue
		}
		if shape := square.Shape; shape[len(shape)-1] != t.In || len(shape) == 3 && shape[0] != len(t.Rows) {
			return nil, fmt.Errorf("%.200q has second moments %v, which are not those of %d experts of %d columns", t.Name, shape, len(t.Rows), t.In)
		}
		t.Full = floats(data[square.Begin:square.End])
		delete(full, t.Name)
	}
	for name := range rows {
		return nil, fmt.Errorf("%.200q has rows and no means", name)
	}
	for name := range full {
		return nil, fmt.Errorf("%.200q has second moments and no means", name)
	}
	c.Sort()
	return c, c.share(h.Metadata[sameKey])
}

// share gives tensors the second moments of others, as metadata name them.
func (c *Calibration) share(named string) error {
	if named == "" {
		return nil
	}
	var owners map[string]string
	if err := json.Unmarshal([]byte(named), &owners); err != nil {
		return fmt.Errorf("its metadata %s: %w", sameKey, err)
	}
	for _, name := range slices.Sorted(maps.Keys(owners)) {
		owner, ok := c.Find(owners[name])
		i := slices.IndexFunc(c.Tensors, func(t Tensor) bool { return t.Name == name })
		_, shares := owners[owner.Name]
		if !ok || i < 0 || owner.Full == nil || shares || c.Tensors[i].Full != nil {
			return fmt.Errorf("%.200q cannot have the second moments of %.200q", name, owners[name])
		}
		c.Tensors[i].Full = owner.Full
	}
	return nil
}

// owners names, for each tensor that has the second moments of one before it, that one.
func (c *Calibration) owners() map[string]string {
	first, owners := map[*float32]string{}, map[string]string{}
	for _, t := range c.Tensors {
		if len(t.Full) == 0 {
			continue
		}
		if owner, ok := first[&t.Full[0]]; ok {
			owners[t.Name] = owner
		} else {
			first[&t.Full[0]] = t.Name
		}
	}
	return owners
}

// areSquares says whether a shape is [n, n] or [.., n, n].
func areSquares(shape []int) bool {
	return (len(shape) == 2 || len(shape) == 3) && shape[len(shape)-1] == shape[len(shape)-2]
}

func floats(b []byte) []float32 {
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}

func integers(b []byte) []int64 {
	out := make([]int64, len(b)/8)
	for i := range out {
		out[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return out
}

// Write puts the file in place, whole or not at all, and notes its digest.
func (c *Calibration) Write(path string) error {
	h, err := c.header()
	if err != nil {
		return err
	}
	f, err := replace.New(path, replace.Shared)
	if err != nil {
		return fmt.Errorf("calibration %s: %w", filepath.Base(path), err)
	}
	defer func() { _ = f.Drop() }() // after the file is in place it does nothing
	sum := sha256.New()
	if err := c.write(io.MultiWriter(f, sum), h); err != nil {
		return err
	}
	c.Digest, c.File = "sha256:"+hex.EncodeToString(sum.Sum(nil)), path
	return f.Place()
}

func (c *Calibration) header() (safetensors.Header, error) {
	c.Sort()
	if err := c.check(); err != nil {
		return safetensors.Header{}, fmt.Errorf("calibration: %w", err)
	}
	owners := c.owners()
	all := []safetensors.Tensor{{Name: normName, Dtype: quant.F32, Shape: []int{len(c.Norm)}}}
	for _, t := range c.Tensors {
		shape := []int{t.In}
		if len(t.Rows) > 1 {
			shape = []int{len(t.Rows), t.In}
		}
		all = append(all, safetensors.Tensor{Name: t.Name + meanSuffix, Dtype: quant.F32, Shape: shape},
			safetensors.Tensor{Name: t.Name + rowsSuffix, Dtype: quant.I64, Shape: []int{len(t.Rows)}})
		if _, shared := owners[t.Name]; t.Full != nil && !shared {
			square := []int{t.In, t.In}
			if t.apart() {
				square = []int{len(t.Rows), t.In, t.In}
			}
			all = append(all, safetensors.Tensor{Name: t.Name + fullSuffix, Dtype: quant.F32, Shape: square})
		}
	}
	metadata := map[string]string{
		"calibration": version, "model": c.Model, "text": c.Text, "tokens": strconv.FormatInt(c.Tokens, 10),
	}
	if len(owners) > 0 {
		b, err := json.Marshal(owners) // in the order of the names
		if err != nil {
			return safetensors.Header{}, err
		}
		metadata[sameKey] = string(b)
	}
	return safetensors.New(metadata, all)
}

// write writes the arrays in the header's order.
func (c *Calibration) write(w io.Writer, h safetensors.Header) error {
	if _, err := w.Write(h.Append(nil)); err != nil {
		return err
	}
	for _, entry := range h.Tensors {
		if _, err := w.Write(c.bytes(entry.Name)); err != nil {
			return err
		}
	}
	return nil
}

// bytes is the data of one entry.
func (c *Calibration) bytes(entry string) []byte {
	if entry == normName {
		return quant.Float32s(c.Norm).Data
	}
	if name, ok := strings.CutSuffix(entry, meanSuffix); ok {
		t, _ := c.Find(name)
		return quant.Float32s(t.Mean).Data
	}
	if name, ok := strings.CutSuffix(entry, fullSuffix); ok {
		t, _ := c.Find(name)
		return quant.Float32s(t.Full).Data
	}
	t, _ := c.Find(strings.TrimSuffix(entry, rowsSuffix))
	var b []byte
	for _, n := range t.Rows {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return b
}
