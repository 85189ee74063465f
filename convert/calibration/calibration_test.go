package calibration

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/convert/safetensors"
	"qimport/convert/source"
	"qimport/quant"
)

// two is a calibration of a matrix and of a stack of two experts, one of which was never chosen.
func two() *Calibration {
	return &Calibration{Model: "tiny", Text: "sha256:aa", Tokens: 5, Norm: []float32{1, 1.5}, Tensors: []Tensor{
		New("layers.0.a.weight", 2, []int64{5}, [][]float64{{10, 20}}),
		New("layers.0.experts.up_proj", 2, []int64{4, 0}, [][]float64{{4, 8}, {0, 0}}),
	}}
}

func written(t *testing.T, c *Calibration) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.safetensors")
	if err := c.Write(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRoundTrip: what is written is what is read, and the same again has the same digest.
func TestRoundTrip(t *testing.T) {
	c := two()
	path := written(t, c)
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest != c.Digest || got.Model != "tiny" || got.Text != "sha256:aa" || got.Tokens != 5 || !slices.Equal(got.Norm, c.Norm) || len(got.Tensors) != 2 {
		t.Fatalf("%+v", got)
	}
	stack, ok := got.Find("layers.0.experts.up_proj")
	if !ok || !slices.Equal(stack.Rows, []int64{4, 0}) || !slices.Equal(stack.Mean, []float32{1, 2, 0, 0}) || stack.In != 2 {
		t.Errorf("%+v", stack)
	}
	if never, all := got.Unchosen(); never != 1 || all != 2 {
		t.Errorf("%d of %d experts were never chosen", never, all)
	}
	again := two()
	if written(t, again); again.Digest != c.Digest {
		t.Error("the same calibration has another digest")
	}
}

// withFull is two with second moments of the first.
func withFull() *Calibration {
	c := two()
	c.Tensors[0] = c.Tensors[0].WithFull([][]float64{{10, -5, -5.1, 20}}, []int64{5})
	return c
}

// matrices are all second moments, one after the other.
func matrices(t *testing.T, s *Squares) (all []float32) {
	t.Helper()
	if s == nil {
		return nil
	}
	for i := range s.Count {
		full, err := s.Matrix(i)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, full...)
	}
	return all
}

// of is what Of gives.
func of(t *testing.T, m Moments, expert int) []float32 {
	t.Helper()
	full, err := m.Of(expert)
	if err != nil {
		t.Fatal(err)
	}
	return full
}

// TestFull: second moments are written and read, symmetric, joined by the number of rows, and dropped where a part
// has none.
func TestFull(t *testing.T) {
	c := withFull()
	got, err := Read(written(t, c))
	if err != nil {
		t.Fatal(err)
	}
	want := []float32{2, -1, -1, 4}
	h := got.Moments("layers.0.a.weight", nil)
	if !slices.Equal(matrices(t, h.Full), want) || !slices.Equal(h.Rows, []int64{5}) || h.Apart() || got.FullCount() != 1 {
		t.Errorf("%v, of %d tensors", h, got.FullCount())
	}
	measured := float32(5 / (5 + 2*priorShare))
	if h := of(t, h, 0); !slices.Equal(h, []float32{2, -measured, -measured, 4}) {
		t.Errorf("of 5 rows: %v", h)
	}
	if h := got.Moments("layers.0.experts.up_proj", nil); h.Known() {
		t.Errorf("it has moments that were not kept: %v", h)
	}
	other := withFull()
	other.Text, other.Tensors[0] = "sha256:bb", New("layers.0.a.weight", 2, []int64{15}, [][]float64{{90, 0}}).WithFull([][]float64{{90, 0, 0, 0}}, []int64{15})
	both, err := Join(c, other)
	if err != nil || !slices.Equal(matrices(t, both.Moments("layers.0.a.weight", nil).Full), []float32{5, -0.25, -0.25, 1}) {
		t.Errorf("joined: %v, %v", both, err)
	}
	if part, err := Join(c, two()); err != nil || part.FullCount() != 0 {
		t.Errorf("joined with a part that has none: %v, %v", part, err)
	}
}

// TestSharedMoments: tensors that read the same input have one matrix, in the file, when it is read and when it is
// joined; what cannot share is refused.
func TestSharedMoments(t *testing.T) {
	shared := func() *Calibration {
		c := withFull()
		c.Tensors = append(c.Tensors, New("layers.0.b.weight", 2, []int64{5}, [][]float64{{10, 20}}))
		c.Tensors[len(c.Tensors)-1].Full = c.Tensors[0].Full
		return c
	}
	path := written(t, shared())
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), fullSuffix); n != 1 {
		t.Errorf("%d matrices are written", n)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	both, err := Join(got, got)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Calibration{got, both} {
		if a, b := c.Moments("layers.0.a.weight", nil).Full, c.Moments("layers.0.b.weight", nil).Full; a == nil || a != b {
			t.Errorf("%v and %v are not the same matrix", a, b)
		}
	}
	for _, named := range []string{
		`{"layers.0.b.weight":"layers.0.c.weight"}`, `{"layers.0.c.weight":"layers.0.a.weight"}`, `{"layers.0.a.weight":"layers.0.a.weight"}`,
		`{"layers.0.b.weight":"layers.0.b.weight"}`, `{"layers.0.b.weight":"layers.0.experts.up_proj"}`, `{"layers.0.b.weight":7}`, `[`,
	} {
		c := shared()
		c.Tensors[len(c.Tensors)-1].Full = nil
		c.Sort()
		if err := c.share(named); err == nil {
			t.Errorf("takes %s", named)
		}
	}
	c := shared()
	c.Tensors[len(c.Tensors)-1].In, c.Tensors[len(c.Tensors)-1].Mean = 1, []float32{2}
	if err := c.check(); err == nil || !strings.Contains(err.Error(), "of 2 columns are not those of 1 columns") {
		t.Errorf("of other columns: %v", err)
	}
}

// withApart is two with second moments of each expert of the second.
func withApart() *Calibration {
	c := two()
	c.Tensors[1] = c.Tensors[1].WithFull([][]float64{{4, 2, 2, 8}, nil}, []int64{4, 0})
	return c
}

// TestApart: second moments of each expert are written and read, joined expert by expert, and drawn to the diagonal
// of an expert's weights by as much as they are of few rows; beside those of all experts together they are dropped.
func TestApart(t *testing.T) {
	c := withApart()
	got, err := Read(written(t, c))
	if err != nil {
		t.Fatal(err)
	}
	const name = "layers.0.experts.up_proj"
	stack, _ := got.Find(name)
	if want := []float32{1, 0.5, 0.5, 2, 0, 0, 0, 0}; !slices.Equal(matrices(t, stack.Full), want) || got.FullCount() != 1 {
		t.Fatalf("%v, of %d tensors", stack.Full, got.FullCount())
	}
	m := got.Moments(name, []float32{3, 5, 7, 9})
	own, prior := float32(4./(4+2*priorShare)), float32(2*priorShare/(4.+2*priorShare))
	want := []float32{own + 3*prior, 0.5 * own, 0.5 * own, 2*own + 5*prior}
	for i, x := range of(t, m, 0) {
		if math.Abs(float64(x-want[i])) > 1e-6 {
			t.Errorf("of 4 rows: %v, want %v", of(t, m, 0), want)
		}
	}
	if h := of(t, m, 1); !slices.Equal(h, []float32{7, 0, 0, 9}) || m.Matrix() != 4 || !m.Apart() {
		t.Errorf("of no rows: %v", h)
	}
	other := withApart()
	other.Text, other.Tensors[1] = "sha256:bb", New(name, 2, []int64{12, 3}, [][]float64{{0, 0}, {3, 3}}).WithFull([][]float64{{0, 0, 0, 0}, {3, -3, -3, 3}}, []int64{12, 3})
	both, err := Join(got, other)
	if err != nil {
		t.Fatal(err)
	}
	if joined, _ := both.Find(name); !slices.Equal(matrices(t, joined.Full), []float32{0.25, 0.125, 0.125, 0.5, 1, -1, -1, 1}) {
		t.Errorf("joined: %v", joined.Full)
	}
	together := two()
	together.Tensors[1] = together.Tensors[1].WithFull([][]float64{{4, 2, 2, 8}}, []int64{4})
	if both, err := Join(c, together); err != nil || both.FullCount() != 0 {
		t.Errorf("joined with those of all experts together: %v, %v", both, err)
	}
}

// TestWriter: what is added tensor by tensor, in two parts of a text and in whatever order, is the file of the sums,
// to the byte; until it is placed nothing has its name, and what it cannot hold is refused.
func TestWriter(t *testing.T) {
	const plain, stack = "layers.0.a.weight", "layers.0.experts.up_proj"
	want := two()
	want.Tensors[0] = want.Tensors[0].WithFull([][]float64{{10, -5, -5.1, 20}}, []int64{5})
	want.Tensors[1] = want.Tensors[1].WithFull([][]float64{{4, 2, 2, 8}, nil}, []int64{4, 0})
	wanted := written(t, want)

	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	path := filepath.Join(dir, "c.safetensors")
	begun := func() (*Writer, *Squares, *Squares) {
		one, apart := Room(2, 1), Room(2, 2)
		c := &Calibration{Model: want.Model, Text: want.Text, Tokens: want.Tokens, Norm: want.Norm, Tensors: []Tensor{Seen(stack, 2, 2, apart), Seen(plain, 2, 1, one)}}
		w, err := Create(path, c)
		if err != nil {
			t.Fatal(err)
		}
		return w, one, apart
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w, one, apart := begun()
	defer w.Drop()
	check(w.AddFull(apart, [][]float64{{3, 2, 2, 4}, nil}, []int64{1, 0}))
	check(w.Add(stack, []int64{1, 0}, [][]float64{{3, 4}, {0, 0}}))
	check(w.Add(plain, []int64{1}, [][]float64{{6, 20}}))
	check(w.AddFull(one, [][]float64{{6, -1, -1, 20}}, []int64{1}))
	check(w.Add(plain, []int64{4}, [][]float64{{4, 0}}))
	check(w.AddFull(one, [][]float64{{4, -4, -4.1, 0}}, []int64{4}))
	check(w.Add(stack, []int64{3, 0}, [][]float64{{1, 4}, {0, 0}}))
	check(w.AddFull(apart, [][]float64{{1, 0, 0, 4}, nil}, []int64{3, 0}))
	if _, err := os.Stat(path); err == nil {
		t.Error("it has its name before it is whole")
	}
	c, err := w.Place()
	check(err)
	a, err := os.ReadFile(path)
	check(err)
	b, err := os.ReadFile(wanted)
	check(err)
	if !bytes.Equal(a, b) || int64(len(a)) != w.size || c.Digest != want.Digest || c.FullCount() != 2 {
		t.Errorf("another file than that of the sums: %s and %s", c.Digest, want.Digest)
	}
	if m := c.Moments(plain, nil); !slices.Equal(matrices(t, m.Full), []float32{2, -1, -1, 4}) {
		t.Errorf("what was placed reads as %v", matrices(t, m.Full))
	}

	w, one, _ = begun()
	for what, err := range map[string]error{
		"another tensor": w.Add("layers.1.a.weight", []int64{1}, [][]float64{{1, 1}}),
		"more experts":   w.Add(plain, []int64{1, 1}, [][]float64{{1, 1}, {1, 1}}),
		"other moments":  w.AddFull(Room(2, 1), [][]float64{nil}, []int64{0}),
		"more matrices":  w.AddFull(one, [][]float64{nil, nil}, []int64{0, 0}),
		"no finite sums": w.Add(plain, []int64{1}, [][]float64{{math.NaN(), 1}}), // is taken
	} {
		if (err == nil) != (what == "no finite sums") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := w.Place(); !errors.Is(err, ErrCalibration) {
		t.Errorf("places what is no number: %v", err)
	}
	check(w.Drop())
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("something is left beside it: %v, %v", left, err)
	}
}

// TestReadLater: second moments are read when they are asked for, and not from another file that has the name by then.
func TestReadLater(t *testing.T) {
	path := written(t, withFull())
	c, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	m := c.Moments("layers.0.a.weight", nil)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, err := m.Digest()
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(path+"2", b, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+"2", path); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Of(0); !errors.Is(err, ErrCalibration) || !strings.Contains(err.Error(), "changed") {
		t.Errorf("of another file: %v", err)
	}
	if c, err = Read(path); err != nil {
		t.Fatal(err)
	}
	if after, err := c.Moments("layers.0.a.weight", nil).Digest(); err != nil || after == before {
		t.Errorf("another file's have the same digest, %v", err)
	}
}

// TestWeights: an expert is weighed by its own rows, one that was never chosen by those of all; the least
// is a hundredth of the mean.
func TestWeights(t *testing.T) {
	c := two()
	w, err := c.Weights("layers.0.experts.up_proj", 2, 2)
	if err != nil || !slices.Equal(w, []float32{1.015, 2.015, 1.015, 2.015}) {
		t.Errorf("%v, %v", w, err)
	}
	c.Tensors[1].Mean = []float32{0, 4, 0, 0}
	if w, err = c.Weights("layers.0.experts.up_proj", 2, 2); err != nil || w[0] != 0.02 {
		t.Errorf("a column that was never excited weighs %v, %v", w, err)
	}
	if w, err := c.Weights("layers.9.b.weight", 1, 2); w != nil || err != nil {
		t.Errorf("of a tensor that was not seen: %v, %v", w, err)
	}
	for _, shape := range [][2]int{{1, 2}, {2, 4}} {
		if _, err := c.Weights("layers.0.experts.up_proj", shape[0], shape[1]); !errors.Is(err, ErrCalibration) || !strings.Contains(err.Error(), "of tiny") {
			t.Errorf("%v: %v", shape, err)
		}
	}
}

// TestJoin: means are those of all rows together, whatever the order; another model's are refused, by name.
func TestJoin(t *testing.T) {
	a, b := two(), two()
	b.Text, b.Tensors[0] = "sha256:bb", New("layers.0.a.weight", 2, []int64{15}, [][]float64{{90, 0}})
	one, err := Join(a, b)
	if err != nil {
		t.Fatal(err)
	}
	other, err := Join(b, a)
	if err != nil {
		t.Fatal(err)
	}
	if m := one.Tensors[0]; m.Rows[0] != 20 || !slices.Equal(m.Mean, []float32{5, 1}) || one.Tokens != 10 || one.Text != "sha256:aa,sha256:bb" {
		t.Errorf("%+v", one)
	}
	written(t, one)
	if written(t, other); one.Digest != other.Digest {
		t.Error("the order of the parts is in the bytes")
	}
	b.Model, b.Norm = "elsewhere", []float32{1, 1.6}
	if _, err := Join(a, b); !errors.Is(err, ErrCalibration) || !strings.Contains(err.Error(), "another model, elsewhere") {
		t.Errorf("joins two models: %v", err)
	}
	b.Norm, b.Tensors = a.Norm, b.Tensors[:1]
	if _, err := Join(a, b); !errors.Is(err, ErrCalibration) {
		t.Errorf("joins files of different tensors: %v", err)
	}
}

// TestCheckModel knows a model again by its last norm, in either form, and names the one that was run.
func TestCheckModel(t *testing.T) {
	for _, dir := range []string{"qwen3.5-bf16", "qwen3.5-moe-4bit"} {
		src, err := source.OpenDir("../../testdata/" + dir)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		c := two()
		if c.Norm, err = NormOf(src); err != nil || len(c.Norm) != src.Inventory().Config.HiddenSize {
			t.Fatalf("%d gains, %v", len(c.Norm), err)
		}
		if err := c.CheckModel(src); err != nil {
			t.Error(err)
		}
		c.Norm[3] += 0.1
		if err := c.CheckModel(src); !errors.Is(err, ErrCalibration) || !strings.Contains(err.Error(), "another model, tiny") {
			t.Errorf("takes another model's: %v", err)
		}
	}
}

// TestRefuse damages a file in every way that is told apart.
func TestRefuse(t *testing.T) {
	nan := float32(math.NaN())
	for want, damage := range map[string]func(*Calibration){
		"mean square of column 1":           func(c *Calibration) { c.Tensors[0].Mean[1] = -1 },
		"column 0 is NaN":                   func(c *Calibration) { c.Tensors[0].Mean[0] = nan },
		"column 1 is +Inf":                  func(c *Calibration) { c.Tensors[1].Mean[3] = float32(math.Inf(1)) },
		"chosen -3 times":                   func(c *Calibration) { c.Tensors[1].Rows[1] = -3 },
		"are not 2 columns of":              func(c *Calibration) { c.Tensors[1].Rows = c.Tensors[1].Rows[:1] },
		"has no norm":                       func(c *Calibration) { c.Norm = nil },
		"its norm has the value":            func(c *Calibration) { c.Norm[1] = nan },
		"of -1 tokens":                      func(c *Calibration) { c.Tokens = -1 },
		"holds no tensors":                  func(c *Calibration) { c.Tensors = nil },
		"is there twice":                    func(c *Calibration) { c.Tensors[1].Name = c.Tensors[0].Name },
		"moment of columns 0 and 1 is NaN":  func(c *Calibration) { c.Tensors[0].Full = inMemory(2, []float32{2, nan, nan, 4}) },
		"moment of columns 0 and 1 is -1":   func(c *Calibration) { c.Tensors[0].Full = inMemory(2, []float32{2, 1, -1, 4}) },
		"moment of columns 0 and 1 is 2.9":  func(c *Calibration) { c.Tensors[0].Full = inMemory(2, []float32{2, 2.9, 2.9, 4}) },
		"moment of columns 1 and 1 is -4":   func(c *Calibration) { c.Tensors[0].Full = inMemory(2, []float32{2, 0, 0, -4}) },
		"1 second moments of 3 columns are": func(c *Calibration) { c.Tensors[0].Full = inMemory(3, make([]float32, 9)) },
		"3 second moments of 2 columns are": func(c *Calibration) { c.Tensors[1].Full = inMemory(2, make([]float32, 12)) },
		"moment of columns 0 and 1 is 9": func(c *Calibration) {
			c.Tensors[1].Full = inMemory(2, []float32{1, 0, 0, 1, 2, 9, 9, 2}) // of the second expert
		},
	} {
		c := withFull()
		damage(c)
		dir := t.TempDir()
		t.Setenv("TMPDIR", dir)
		if err := c.Write(filepath.Join(dir, "c.safetensors")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%q: something is left of it: %v", want, left)
		}
	}
	for want, file := range map[string][]byte{
		"cut short":                    raw(t, map[string]string{"calibration": "1", "tokens": "5"}, "norm", quant.F32)[:40],
		"no calibration of version":    raw(t, map[string]string{"format": "pt"}, "norm", quant.F32),
		"no number":                    raw(t, map[string]string{"calibration": "1"}, "norm", quant.F32),
		"which no calibration has":     raw(t, map[string]string{"calibration": "1", "tokens": "5"}, "model.norm.weight", quant.F32),
		"\"norm\", BF16":               raw(t, map[string]string{"calibration": "1", "tokens": "5"}, "norm", quant.BF16),
		"rows and no means":            raw(t, map[string]string{"calibration": "1", "tokens": "5"}, "a.rows", quant.I64),
		"second moments and no means":  rawShape(t, []int{2, 2}, "a.second_moments"),
		"F32 [2 3]":                    rawShape(t, []int{2, 3}, "a.second_moments"),
		"F32 [2 3 2]":                  rawShape(t, []int{2, 3, 2}, "a.second_moments"),
		"[4 2 2], which are not those": rawMoments(t, []int{4, 2, 2}),
		"[3 3], which are not those":   rawMoments(t, []int{3, 3}),
		"are not 2 columns of 0":       raw(t, map[string]string{"calibration": "1", "tokens": "5"}, "a.mean_square", quant.F32),
	} {
		if _, err := Parse(file); !errors.Is(err, ErrCalibration) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// raw is a file of the norm and, beside it, of one entry of two elements.
func raw(t testing.TB, metadata map[string]string, name string, d quant.Dtype) []byte {
	t.Helper()
	entries := []safetensors.Tensor{{Name: name, Dtype: d, Shape: []int{2}}}
	if name != normName {
		entries = append(entries, safetensors.Tensor{Name: normName, Dtype: quant.F32, Shape: []int{2}})
	}
	h, err := safetensors.New(metadata, entries)
	if err != nil {
		t.Fatal(err)
	}
	return append(h.Append(nil), make([]byte, h.DataBytes())...)
}

// rawShape is a file of the norm and, beside it, of one entry of a shape.
func rawShape(t testing.TB, shape []int, name string) []byte {
	t.Helper()
	h, err := safetensors.New(map[string]string{"calibration": "1", "tokens": "5"}, []safetensors.Tensor{
		{Name: name, Dtype: quant.F32, Shape: shape}, {Name: normName, Dtype: quant.F32, Shape: []int{2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return append(h.Append(nil), make([]byte, h.DataBytes())...)
}

// rawMoments is a file of a stack of two experts of two columns with second moments of a shape.
func rawMoments(t testing.TB, shape []int) []byte {
	t.Helper()
	h, err := safetensors.New(map[string]string{"calibration": "1", "tokens": "5"}, []safetensors.Tensor{
		{Name: "a.mean_square", Dtype: quant.F32, Shape: []int{2, 2}}, {Name: "a.rows", Dtype: quant.I64, Shape: []int{2}},
		{Name: "a.second_moments", Dtype: quant.F32, Shape: shape}, {Name: normName, Dtype: quant.F32, Shape: []int{2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return append(h.Append(nil), make([]byte, h.DataBytes())...)
}

// FuzzParse: nothing panics, every rejection is ErrCalibration, and what is accepted gives weights and is
// written back to a file that reads the same.
func FuzzParse(f *testing.F) {
	path := filepath.Join(f.TempDir(), "c.safetensors")
	c := withFull()
	c.Tensors[1] = New("layers.0.b.weight", 2, []int64{5}, [][]float64{{10, 20}})
	c.Tensors[1].Full = c.Tensors[0].Full
	if err := c.Write(path); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(rawMoments(f, []int{2, 2, 2}))
	f.Add(rawMoments(f, []int{2, 1, 1}))
	f.Add(raw(f, map[string]string{"calibration": "1", "tokens": "5"}, "a.rows", quant.I64))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(b)
		if err != nil {
			if !errors.Is(err, ErrCalibration) {
				t.Fatalf("rejected without saying so: %v", err)
			}
			return
		}
		for _, tensor := range c.Tensors {
			w, err := c.Weights(tensor.Name, len(tensor.Rows), tensor.In)
			if err != nil || slices.ContainsFunc(w, func(x float32) bool { return bad(x) || x < 0 }) {
				t.Fatalf("weights %v, %v", w, err)
			}
			if m := c.Moments(tensor.Name, w); m.Known() {
				for e := range tensor.Rows {
					if h, err := m.Of(e); err != nil || len(h) != tensor.In*tensor.In {
						t.Fatalf("expert %d has %d second moments of %d columns, %v", e, len(h), tensor.In, err)
					}
				}
			}
		}
		path := filepath.Join(t.TempDir(), "c")
		if err := c.Write(path); err != nil {
			t.Fatalf("accepted what it cannot write back: %v", err)
		}
		if again, err := Read(path); err != nil || len(again.Tensors) != len(c.Tensors) {
			t.Fatalf("reads back %v, %v", again, err)
		}
	})
}
