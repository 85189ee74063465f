package calibration

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"qimport/convert/safetensors"
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

// maxMeans bounds what is kept in memory of a file, in bytes: that of a model of 397 billion parameters, with 60 times
// 512 experts, has 0.8 GB. maxColumns bounds the matrices that are looked at one by one.
const (
	maxMeans   = 5 << 30
	maxColumns = 1 << 15
)

// Read reads a file through once, and keeps all but the second moments, which are read again, a matrix at a time, when
// they are asked for. The file is to stay as it is until then.
func Read(path string) (*Calibration, error) {
	f, info, err := untrusted.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c, err := read(f, info.Size(), &later{path, info})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c.File = path
	return c, nil
}

// later reads a file again that was read before.
type later struct {
	path string
	info os.FileInfo // of then
}

// ReadAt reads bytes, if the file is the one that it was.
func (l *later) ReadAt(b []byte, at int64) (int, error) {
	f, info, err := untrusted.Open(l.path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if !os.SameFile(info, l.info) || info.Size() != l.info.Size() || !info.ModTime().Equal(l.info.ModTime()) {
		return 0, fmt.Errorf("%w: %s was changed while it was used", ErrCalibration, l.path)
	}
	return f.ReadAt(b, at)
}

// Parse reads the bytes of a file. Every error is ErrCalibration.
func Parse(b []byte) (*Calibration, error) {
	r := bytes.NewReader(b)
	return read(r, int64(len(b)), r)
}

// read reads a file of so many bytes; second moments are read from then when they are asked for. Errors are
// ErrCalibration, but for those of reading.
func read(r io.ReaderAt, size int64, then io.ReaderAt) (*Calibration, error) {
	h, err := safetensors.ReadHeader(r, size)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCalibration, err)
	}
	c, err := parse(h)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCalibration, err)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(r, 0, h.DataStart)); err != nil {
		return nil, err
	}
	for _, t := range h.Tensors {
		if err := c.take(t, io.NewSectionReader(r, h.DataStart+t.Begin, t.End-t.Begin), sum); err != nil {
			return nil, err
		}
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCalibration, err)
	}
	c.Digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	for _, t := range h.Tensors {
		if name, ok := strings.CutSuffix(t.Name, fullSuffix); ok {
			own, _ := c.Find(name)
			own.Full.matrix, own.Full.key = matricesAt(then, h.DataStart+t.Begin, own.In), c.Digest+" "+t.Name
		}
	}
	return c, nil
}

// parse makes of a header a calibration without numbers.
func parse(h safetensors.Header) (*Calibration, error) {
	if v := h.Metadata["calibration"]; v != version {
		return nil, fmt.Errorf("it is no calibration of version %s (its metadata say %.20q)", version, v)
	}
	c := &Calibration{Model: untrusted.Text(h.Metadata["model"]), Text: h.Metadata["text"]}
	var err error
	if c.Tokens, err = strconv.ParseInt(h.Metadata["tokens"], 10, 64); err != nil {
		return nil, fmt.Errorf("its tokens are %.20q, no number", h.Metadata["tokens"])
	}
	rows, full, means := map[string]int{}, map[string][]int{}, int64(0)
	for _, t := range h.Tensors {
		name, isRows := strings.CutSuffix(t.Name, rowsSuffix)
		if square, ok := strings.CutSuffix(t.Name, fullSuffix); ok && t.Dtype == quant.F32 && areSquares(t.Shape) {
			full[square] = t.Shape
			continue
		}
		switch means += t.End - t.Begin; {
		case means > maxMeans:
			return nil, fmt.Errorf("it has more than %d bytes beside second moments", int64(maxMeans))
		case t.Name == normName && t.Dtype == quant.F32 && len(t.Shape) == 1:
		case isRows && t.Dtype == quant.I64 && len(t.Shape) == 1:
			rows[name] = t.Shape[0]
		case strings.HasSuffix(t.Name, meanSuffix) && t.Dtype == quant.F32 && (len(t.Shape) == 1 || len(t.Shape) == 2):
			c.Tensors = append(c.Tensors, Tensor{Name: strings.TrimSuffix(t.Name, meanSuffix), In: quant.Columns(t.Shape)})
		default:
			return nil, fmt.Errorf("it has a tensor %.200q, %s %v, which no calibration has", t.Name, t.Dtype, t.Shape)
		}
	}
	c.Sort()
	for i := range c.Tensors {
		t := &c.Tensors[i]
		experts := rows[t.Name]
		delete(rows, t.Name)
		shape, ok := full[t.Name]
		if !ok {
			continue
		}
		if n := shape[len(shape)-1]; n != t.In || n > maxColumns || len(shape) == 3 && shape[0] != experts {
			return nil, fmt.Errorf("%.200q has second moments %v, which are not those of %d experts of %d columns", t.Name, shape, experts, t.In)
		}
		t.Full = &Squares{Count: 1, Columns: t.In}
		if len(shape) == 3 {
			t.Full.Count = experts
		}
		delete(full, t.Name)
	}
	for name := range rows {
		return nil, fmt.Errorf("%.200q has rows and no means", name)
	}
	for name := range full {
		return nil, fmt.Errorf("%.200q has second moments and no means", name)
	}
	return c, c.share(h.Metadata[sameKey])
}

// take reads the data of one entry, which are summed up as well.
func (c *Calibration) take(t safetensors.Tensor, data io.Reader, sum io.Writer) error {
	data = io.TeeReader(data, sum)
	if name, ok := strings.CutSuffix(t.Name, fullSuffix); ok {
		own, _ := c.Find(name)
		return own.Full.pass(name, data)
	}
	b := make([]byte, t.End-t.Begin)
	if _, err := io.ReadFull(data, b); err != nil {
		return err
	}
	if t.Name == normName {
		c.Norm = floats(b)
		return nil
	}
	name := strings.TrimSuffix(strings.TrimSuffix(t.Name, meanSuffix), rowsSuffix)
	own := c.tensor(name)
	if strings.HasSuffix(t.Name, rowsSuffix) {
		own.Rows = integers(b)
	} else {
		own.Mean = floats(b)
	}
	return nil
}

// pass looks at matrices as they lie in a file, of which none is kept.
func (s *Squares) pass(name string, data io.Reader) error {
	full := make([]float32, s.Columns*s.Columns)
	for range s.Count {
		if _, err := io.ReadFull(data, quant.Float32s(full).Data); err != nil {
			return err
		}
		if err := checkSquares(full, s.Columns); err != nil {
			return fmt.Errorf("%w: tensor %s: %w", ErrCalibration, name, err)
		}
	}
	return nil
}

// matricesAt are those of an entry of so many columns whose data begin at a byte.
func matricesAt(r io.ReaderAt, begin int64, columns int) func(i int) ([]float32, error) {
	size := columns * columns
	return func(i int) ([]float32, error) {
		full := make([]float32, size)
		if _, err := r.ReadAt(quant.Float32s(full).Data, begin+placeOf(i, columns)); err != nil {
			return nil, fmt.Errorf("second moments: %w", err)
		}
		return full, nil
	}
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
	first, owners := map[*Squares]string{}, map[string]string{}
	for _, t := range c.Tensors {
		if t.Full == nil {
			continue
		}
		if owner, ok := first[t.Full]; ok {
			owners[t.Name] = owner
		} else {
			first[t.Full] = t.Name
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
