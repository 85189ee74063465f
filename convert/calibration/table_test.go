package calibration

import (
	"math"
	"slices"
	"testing"

	"qimport/convert/source"
	"qimport/quant"
)

const qwen35 = "../../testdata/qwen3.5-bf16"

// firstRead is a calibration of what the first layer of a model reads, of 256 columns, and of its table as a head:
// columns of which each goes together with the next.
func firstRead(readers ...string) *Calibration {
	const n = 256
	full := make([]float32, n*n)
	for i := range n {
		full[i*n+i] = float32(1 + i%3)
		if i > 0 {
			full[i*n+i-1], full[(i-1)*n+i] = 0.5, 0.5
		}
	}
	c := &Calibration{Tokens: 100, Norm: []float32{1}}
	for _, name := range append(readers, tableBody) {
		c.Tensors = append(c.Tensors, Tensor{Name: name, In: n, Rows: []int64{100}, Mean: make([]float32, n), Full: inMemory(n, full)})
	}
	c.Sort()
	return c
}

// TestWeighTable: what an error of the table's rows weighs is the relative error of what the maps of the first layer
// answer, and of the head, by plain sums over their rows.
func TestWeighTable(t *testing.T) {
	const n = 256
	src, err := source.OpenDir(qwen35)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	names := []string{"layers.0.linear_attn.in_proj_a.weight", "layers.0.linear_attn.in_proj_b.weight", "layers.0.linear_attn.in_proj_qkv.weight", "layers.0.linear_attn.in_proj_z.weight"}
	c := firstRead(names...)
	known, _ := c.Find(tableBody)
	read := matrices(t, known.Full)
	if err := c.weighTable(src); err != nil {
		t.Fatal(err)
	}
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	load := func(body string) []float32 {
		t.Helper()
		for _, tensor := range src.Inventory().Tensors {
			if tensor.Body == body {
				q, err := src.Load(tensor.Name)
				if err != nil {
					t.Fatal(err)
				}
				values := make([]float32, quant.Elements(q.Shape))
				if err := q.Decode(values, 0); err != nil {
					t.Fatal(err)
				}
				return values
			}
		}
		t.Fatalf("%s is not there", body)
		return nil
	}
	gains := load(firstNorm)
	// An error of a row in two columns, one of them far from the other, and what it costs.
	const first, second = 3, 200
	e := map[int]float64{first: 1, second: -2}
	form := func(full []float32) (sum float64) {
		for i, x := range e {
			for j, y := range e {
				sum += x * y * float64(full[i*n+j])
			}
		}
		return sum
	}
	trace := func(full []float32) (sum float64) {
		for i := range n {
			sum += float64(full[i*n+i])
		}
		return sum
	}
	cost := form(read) / trace(read)
	all := 1.0 // the sum over single columns of what errors of 1 cost: of the head, by definition
	for _, name := range names {
		w := load(name)
		answered, lost := 0.0, 0.0
		single := make([]float64, n)
		for row := range slices.Chunk(w, n) {
			error := 0.0
			for i, x := range e {
				error += x * float64(row[i]) * float64(gains[i])
			}
			lost += error * error
			for i, x := range row {
				single[i] += math.Pow(float64(x)*float64(gains[i]), 2)
				for _, j := range []int{i - 1, i, i + 1} {
					if j >= 0 && j < n {
						answered += float64(x) * float64(row[j]) * float64(read[i*n+j])
					}
				}
			}
		}
		cost += lost / answered / float64(len(names))
		for _, x := range single {
			all += x / answered / float64(len(names))
		}
	}
	want := (1-streamShare)*cost*n/all + streamShare*(1+4)
	table, _ := c.Find(tableBody)
	full := matrices(t, table.Full)
	if got := form(full); math.Abs(got-want) > 1e-4*want {
		t.Errorf("an error costs %g, want %g", got, want)
	}
	if got := trace(full) / n; math.Abs(got-1) > 1e-5 {
		t.Errorf("the mean over columns is %g", got)
	}
	for i, x := range table.Mean {
		if x != full[i*n+i] {
			t.Fatalf("column %d weighs %g alone, and %g with others", i, x, full[i*n+i])
		}
	}
}

// TestPlaceTable: of a model whose first layer is not known, a table that is a head has no second moments, and one
// that is none is not there; of one whose first layer is known it has them, in a place of its own where it is no head.
func TestPlaceTable(t *testing.T) {
	src, err := source.OpenDir(qwen35)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	head := firstRead()
	if n := head.PlaceTable(src); n != 0 {
		t.Errorf("what is not there takes %d bytes", n)
	}
	if table, ok := head.Find(tableBody); !ok || table.Full != nil {
		t.Error("a head alone keeps the second moments of what it reads")
	}
	none := two()
	if n := none.PlaceTable(src); n != 0 || len(none.Tensors) != 2 {
		t.Errorf("%d tensors, %d bytes", len(none.Tensors), n)
	}
	const reader = "layers.0.linear_attn.in_proj_z.weight"
	known := firstRead(reader)
	if n := known.PlaceTable(src); n != 0 || len(known.Tensors) != 2 {
		t.Errorf("a head gets %d bytes more", n)
	}
	lone := firstRead(reader)
	lone.Tensors = slices.DeleteFunc(lone.Tensors, func(t Tensor) bool { return t.Name == tableBody })
	if n := lone.PlaceTable(src); n != 4*256*256 {
		t.Errorf("a table that is no head takes %d bytes", n)
	}
	if table, ok := lone.Find(tableBody); !ok || table.Full == nil || table.Full.Columns != 256 {
		t.Errorf("it has no place: %+v", table)
	}
}

// TestJoinLoneTable: a part without a table, as one without --full is, joins one that has it, which then goes.
func TestJoinLoneTable(t *testing.T) {
	with := two()
	with.Text = "sha256:bb"
	with.Tensors = append(with.Tensors, Tensor{Name: tableBody, In: 2, Rows: []int64{5}, Mean: []float32{1, 1}, Full: inMemory(2, []float32{1, 0, 0, 1})})
	with.Sort()
	both, err := Join(two(), with)
	if err != nil || len(both.Tensors) != 2 || both.Tokens != 10 {
		t.Fatalf("%+v, %v", both, err)
	}
	again := *with
	again.Text = "sha256:cc"
	both, err = Join(with, &again)
	if err != nil {
		t.Fatal(err)
	}
	if table, ok := both.Find(tableBody); !ok || !slices.Equal(matrices(t, table.Full), []float32{1, 0, 0, 1}) {
		t.Errorf("of two parts that have it: %+v", table)
	}
}
