package write

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"qimport/convert/calibration"
	"qimport/convert/converttest"
	"qimport/convert/encode"
	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/quant"
	"qimport/quant/recipe"
)

// TestScaleSearch holds what is written, cut into chunks, to the search over the whole tensor at
// once, and the gain that is reported to the two errors measured there.
func TestScaleSearch(t *testing.T) {
	source := floats(1, quant.BF16, 1200, 1024)
	src := memory{tensors: map[string][]quant.Tensor{linear: {source}}, files: map[string][]byte{"config.json": []byte("{}")}}
	for _, f := range []quant.Format{quant.FormatNVFP4, quant.FormatMXFP4, quant.FormatInt4} {
		t.Run(f.String(), func(t *testing.T) {
			plan, err := plan.New(src.inventory(t), recipe.Recipe{Type: f}, plan.Options{ScaleSearch: true})
			if err != nil {
				t.Fatal(err)
			}
			w := write(t, plan, src, t.TempDir(), Options{Jobs: 3})
			got, _ := w.arrays(t, linear)
			var global float32
			if b := got[linear+".global_scale"]; len(b) == 4 {
				global = math.Float32frombits(binary.LittleEndian.Uint32(b))
			}
			want, plain := whole(t, f, global, source, true), whole(t, f, 0, source, false)
			checkArrays(t, map[string][]byte{"": got[linear]}, map[string][]byte{"": want.Weight})
			if len(w.stats.Gains) != 1 {
				t.Fatalf("%d gains are reported, want 1", len(w.stats.Gains))
			}
			gain := w.stats.Gains[0]
			near(t, "plain", gain.Plain, measured(t, f, plain, source))
			near(t, "search", gain.Search, measured(t, f, want, source))
			if gain.Share() <= 0 {
				t.Errorf("the search is reported to gain %g", gain.Share())
			}
		})
	}
}

// TestInMemory holds a tensor that is made in memory to the arrays of its blob.
func TestInMemory(t *testing.T) {
	src := memory{tensors: map[string][]quant.Tensor{linear: {floats(1, quant.BF16, 1200, 1024)}}, files: map[string][]byte{"config.json": []byte("{}")}}
	for _, f := range []quant.Format{quant.FormatNVFP4, quant.FormatMXFP8, quant.FormatInt4, quant.AffineFormat(6, 32)} {
		plan, err := plan.New(src.inventory(t), recipe.Recipe{Type: f}, plan.Options{ScaleSearch: true})
		if err != nil {
			t.Fatal(err)
		}
		want, _ := write(t, plan, src, t.TempDir(), Options{Jobs: 3}).arrays(t, linear)
		got, err := encode.NewEngine(src, 3, encode.NewMeter(0, nil)).InMemory(t.Context(), plan.Blobs[0].Tensors[0])
		if err != nil {
			t.Fatal(err)
		}
		arrays := map[string][]byte{linear: got.Data, linear + ".scale": got.Scales}
		if len(got.Biases) > 0 {
			arrays[linear+".bias"] = got.Biases
		}
		if len(got.Global) > 0 {
			arrays[linear+".global_scale"] = quant.Float32s(got.Global).Data
		}
		checkArrays(t, arrays, want)
		if err := got.Validate(); err != nil || got.Format != f {
			t.Errorf("%s: %s, %v", f, got.Format, err)
		}
	}
}

// TestScaleSearchPlan says that mxfp8 has nothing to search, and that a searched blob is another one.
func TestScaleSearchPlan(t *testing.T) {
	src := memory{tensors: map[string][]quant.Tensor{linear: {floats(1, quant.BF16, 64, 128)}}}
	inv := src.inventory(t)
	keys := map[bool]blobKey{}
	for _, search := range []bool{false, true} {
		for f, want := range map[quant.Format]bool{quant.FormatMXFP8: false, quant.FormatNVFP4: search, quant.FormatBF16: false} {
			plan, err := plan.New(inv, recipe.Recipe{Type: f}, plan.Options{ScaleSearch: search})
			if err != nil {
				t.Fatal(err)
			}
			if got := plan.Blobs[0].Tensors[0].Search; got != want {
				t.Errorf("%s with search %t: the plan searches: %t, want %t", f, search, got, want)
			}
			if f == quant.FormatNVFP4 {
				k, err := blobKeys(plan)
				if err != nil {
					t.Fatal(err)
				}
				keys[search] = k[0]
			}
		}
	}
	if keys[true] == keys[false] {
		t.Error("a searched blob has the key of the plain one, and would be reused for it")
	}
}

// TestGlobalScale writes weights so small that nvfp4's block scales alone lose most of them.
func TestGlobalScale(t *testing.T) {
	source := floats(1, quant.BF16, 700, 1024)
	scaled(t, source, 0.002)
	for name, tt := range map[string]struct {
		tensor string
		want   bool
	}{
		"projection": {linear, true},
		"experts":    {experts, false}, // Ollama would not read it
		"joined":     {"language_model.model.layers.0.linear_attn.in_proj_qkv.weight", false},
	} {
		t.Run(name, func(t *testing.T) {
			x := source
			if tt.tensor == experts {
				x.Shape = []int{7, 100, 1024}
			}
			src := memory{tensors: map[string][]quant.Tensor{tt.tensor: {x}}, files: map[string][]byte{"config.json": []byte("{}")}}
			plan, err := plan.New(src.inventory(t), recipe.Recipe{Type: quant.FormatNVFP4}, plan.Options{ScaleSearch: true})
			if err != nil {
				t.Fatal(err)
			}
			if got := plan.Blobs[0].Tensors[0].Global; got != tt.want {
				t.Fatalf("the plan makes a global scale: %t", got)
			}
			if !tt.want {
				return
			}
			w := write(t, plan, src, t.TempDir(), Options{Jobs: 3})
			got, _ := w.arrays(t, tt.tensor)
			bits := binary.LittleEndian.Uint32(got[tt.tensor+".global_scale"])
			if global := math.Float32frombits(bits); bits&0x7fffff != 0 || global >= 1 {
				t.Errorf("the global scale is %g, want a power of two below 1", global)
			}
			written := x
			written.Format, written.Data, written.Scales = quant.FormatNVFP4, got[tt.tensor], got[tt.tensor+".scale"]
			written.Global = []float32{math.Float32frombits(bits)}
			near(t, "search", w.stats.Gains[0].Search, relativeError(converttest.Decoded(t, x), converttest.Decoded(t, written)))
			if g := w.stats.Gains[0]; g.Search > 0.0091 || g.Plain < 0.5 { // 0.095²; all but lost without it
				t.Errorf("relative squared error %g, by the plain rule %g", g.Search, g.Plain)
			}
		})
	}
}

// scaled multiplies bf16 weights.
func scaled(t *testing.T, x quant.Tensor, by float32) {
	t.Helper()
	values := converttest.Decoded(t, x)
	for i := range values {
		values[i] *= by
	}
	if err := quant.FromFloat32(x.Data, quant.BF16, values); err != nil {
		t.Fatal(err)
	}
}

func relativeError(want, got []float32) float64 {
	var wrong, all float64
	for i := range want {
		d := float64(got[i]) - float64(want[i])
		wrong += d * d
		all += float64(want[i]) * float64(want[i])
	}
	return wrong / all
}

func whole(t *testing.T, f quant.Format, global float32, x quant.Tensor, search bool) quant.Packed {
	t.Helper()
	w, s, b := f.PartSizes(quant.Elements(x.Shape), quant.BF16)
	p := quant.Packed{Weight: make([]byte, w), Scales: make([]byte, s), Biases: make([]byte, b), Global: global}
	if err := quant.Encode(f, p, quant.Values{Data: x.Data, Dtype: quant.BF16}, quant.Options{Search: search}); err != nil {
		t.Fatal(err)
	}
	return p
}

func measured(t *testing.T, f quant.Format, p quant.Packed, x quant.Tensor) float64 {
	t.Helper()
	l, err := quant.MeasureLoss(f, p, quant.BF16, quant.Values{Data: x.Data, Dtype: quant.BF16}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l.Relative()
}

// near allows for the order in which chunks are summed.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if d := got/want - 1; d > 1e-9 || d < -1e-9 {
		t.Errorf("%s: relative squared error %g is reported, %g is measured", what, got, want)
	}
}

// TestCalibratedSearch holds a stack that is cut into chunks across its experts to the search over each expert
// at once, under the weights of its own columns; what a calibration does not know is searched without.
func TestCalibratedSearch(t *testing.T) {
	const count, out, in = 3, 500, 1024
	stack, other := floats(1, quant.BF16, count, out, in), floats(2, quant.BF16, 64, in)
	src := memory{tensors: map[string][]quant.Tensor{experts: {stack}, linear: {other}}, files: map[string][]byte{"config.json": []byte("{}")}}
	c := calibrationOf(experts, count, in)
	inv := src.inventory(t)
	for i := range inv.Tensors {
		inv.Tensors[i].Body = inv.Tensors[i].Name
	}
	keys := map[string]bool{}
	for _, o := range []plan.Options{{ScaleSearch: true, Calibration: c}, {ScaleSearch: true}, {ScaleSearch: true, Calibration: calibrationOf(experts, count, in, 2)}} {
		p, err := plan.New(inv, recipe.Recipe{Type: quant.FormatInt4}, o)
		if err != nil {
			t.Fatal(err)
		}
		k, err := blobKeys(p)
		if err != nil {
			t.Fatal(err)
		}
		for i, b := range p.Blobs {
			if b.Tensors[0].Name == experts {
				keys[k[i].String()] = true
			}
		}
	}
	if len(keys) != 3 {
		t.Errorf("%d keys of three calibrations: a blob would be reused for another", len(keys))
	}
	p, err := plan.New(inv, recipe.Recipe{Type: quant.FormatInt4}, plan.Options{ScaleSearch: true, Calibration: c})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "has nothing on "+linear+":") {
		t.Errorf("it warns: %q", p.Warnings)
	}
	w := write(t, p, src, t.TempDir(), Options{Jobs: 3})
	got, _ := w.arrays(t, experts)
	weights, err := c.Weights(experts, count, in)
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	for e := range count {
		n := 2 * out * in
		one := quant.Values{Data: stack.Data[e*n : (e+1)*n], Dtype: quant.BF16}
		size, scales, biases := quant.FormatInt4.PartSizes(out*in, quant.BF16)
		packed := quant.Packed{Weight: make([]byte, size), Scales: make([]byte, scales), Biases: make([]byte, biases)}
		if err := quant.Encode(quant.FormatInt4, packed, one, quant.Options{Search: true, Columns: weights[e*in:][:in]}); err != nil {
			t.Fatal(err)
		}
		want = append(want, packed.Weight...)
	}
	checkArrays(t, map[string][]byte{"": got[experts]}, map[string][]byte{"": want})
	plain, _ := write(t, p, src, t.TempDir(), Options{Jobs: 1}).arrays(t, linear)
	checkArrays(t, map[string][]byte{"": plain[linear]}, map[string][]byte{"": whole(t, quant.FormatInt4, 0, other, true).Weight})

	c = calibrationOf(experts, count, 512)
	if _, err := plan.New(inv, recipe.Recipe{Type: quant.FormatInt4}, plan.Options{ScaleSearch: true, Calibration: c}); !errors.Is(err, calibration.ErrCalibration) {
		t.Errorf("takes a calibration of another shape: %v", err)
	}
}

// calibratedStack is a source of one stack of experts, and a calibration of it.
func calibratedStack(t *testing.T, count, out, in int) (quant.Tensor, memory, source.Inventory, *calibration.Calibration) {
	t.Helper()
	stack := floats(1, quant.BF16, count, out, in)
	src := memory{tensors: map[string][]quant.Tensor{experts: {stack}}, files: map[string][]byte{"config.json": []byte("{}")}}
	inv := src.inventory(t)
	for i := range inv.Tensors {
		inv.Tensors[i].Body = inv.Tensors[i].Name
	}
	return stack, src, inv, calibrationOf(experts, count, in)
}

// TestErrorFeedback holds a stack that is cut into chunks to the encoding of all its rows at once, on one worker and
// on three; a calibration of squares alone is refused, and the blob is another one than the search's.
func TestErrorFeedback(t *testing.T) {
	const count, out, in = 3, 500, 256
	stack, src, inv, c := calibratedStack(t, count, out, in)
	o, rules := plan.Options{ScaleSearch: true, Calibration: c}, recipe.Recipe{Type: quant.FormatInt4}
	searched, err := plan.New(inv, rules, o)
	if err != nil {
		t.Fatal(err)
	}
	o.Feedback = true
	if _, err := plan.New(inv, rules, o); !errors.Is(err, calibration.ErrCalibration) || !strings.Contains(err.Error(), "calibrate --full") {
		t.Errorf("without second moments: %v", err)
	}
	sums := make([]float64, in*in)
	for i := range in {
		for j := range in {
			sums[i*in+j] = 100 * math.Exp(-math.Abs(float64(i-j))/8)
		}
	}
	c.Tensors[0], c.Tokens = c.Tensors[0].WithFull([][]float64{sums}, []int64{100}), 100
	p, err := plan.New(inv, rules, o)
	if err != nil {
		t.Fatal(err)
	}
	a, errA := blobKeys(searched)
	b, errB := blobKeys(p)
	if errA != nil || errB != nil || slices.Equal(a, b) {
		t.Errorf("a searched blob would be reused: %v %v", errA, errB)
	}
	by, err := quant.NewFeedback(momentsOf(t, c, nil, 0), in, quant.FormatInt4.GroupSize)
	if err != nil {
		t.Fatal(err)
	}
	size, scales, biases := quant.FormatInt4.PartSizes(count*out*in, quant.BF16)
	want := quant.Packed{Weight: make([]byte, size), Scales: make([]byte, scales), Biases: make([]byte, biases)}
	if err := quant.EncodeFeedback(quant.FormatInt4, want, quant.Values{Data: stack.Data, Dtype: quant.BF16}, quant.BF16, by); err != nil {
		t.Fatal(err)
	}
	for _, jobs := range []int{1, 3} {
		w := write(t, p, src, t.TempDir(), Options{Jobs: jobs})
		got, _ := w.arrays(t, experts)
		checkArrays(t, map[string][]byte{"": got[experts]}, map[string][]byte{"": want.Weight})
	}
}

// TestFeedbackApart: where each expert has second moments of its own, each is encoded by its own, however the stack
// is cut, more experts than are kept at once; an expert's rows are told to a blob's key, since they weigh its moments.
func TestFeedbackApart(t *testing.T) {
	const count, out, in = 7, 300, 256
	stack, src, inv, c := calibratedStack(t, count, out, in)
	sums, rows := make([][]float64, count), make([]int64, count)
	for e := range sums {
		if rows[e] = c.Tensors[0].Rows[e]; e == 3 {
			continue // it has no products, and nothing is fed back
		}
		sums[e] = make([]float64, in*in)
		for i := range in {
			for j := range in {
				sums[e][i*in+j] = 100 * math.Exp(-math.Abs(float64(i-j))/float64(2+4*e))
			}
		}
	}
	c.Tensors[0] = c.Tensors[0].WithFull(sums, rows)
	o, rules := plan.Options{ScaleSearch: true, Calibration: c, Feedback: true}, recipe.Recipe{Type: quant.FormatInt4}
	p, err := plan.New(inv, rules, o)
	if err != nil {
		t.Fatal(err)
	}
	weights, err := c.Weights(experts, count, in)
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	for e := range count {
		by, err := quant.NewFeedback(momentsOf(t, c, weights, e), in, quant.FormatInt4.GroupSize)
		if err != nil {
			t.Fatal(err)
		}
		size, scales, biases := quant.FormatInt4.PartSizes(out*in, quant.BF16)
		packed := quant.Packed{Weight: make([]byte, size), Scales: make([]byte, scales), Biases: make([]byte, biases)}
		one := quant.Values{Data: stack.Data[e*2*out*in : (e+1)*2*out*in], Dtype: quant.BF16}
		if err := quant.EncodeFeedback(quant.FormatInt4, packed, one, quant.BF16, by); err != nil {
			t.Fatal(err)
		}
		want = append(want, packed.Weight...)
	}
	for _, jobs := range []int{1, 3} {
		got, _ := write(t, p, src, t.TempDir(), Options{Jobs: jobs}).arrays(t, experts)
		checkArrays(t, map[string][]byte{"": got[experts]}, map[string][]byte{"": want})
	}
	before, err := blobKeys(p)
	if err != nil {
		t.Fatal(err)
	}
	p.Blobs[0].Tensors[0].Moments.Rows = slices.Repeat([]int64{7}, count)
	if after, err := blobKeys(p); err != nil || slices.Equal(before, after) {
		t.Errorf("with other rows a blob would be reused: %v", err)
	}
}

// momentsOf are those of one expert.
func momentsOf(t *testing.T, c *calibration.Calibration, weights []float32, expert int) []float32 {
	t.Helper()
	full, err := c.Moments(experts, weights).Of(expert)
	if err != nil {
		t.Fatal(err)
	}
	return full
}

// calibrationOf is a calibration of one stack, whose experts have the more of their input in some columns.
func calibrationOf(name string, experts, in int, seed ...int) *calibration.Calibration {
	rows, sums := make([]int64, experts), make([][]float64, experts)
	for e := range sums {
		rows[e], sums[e] = 100, make([]float64, in)
		for i := range sums[e] {
			sums[e][i] = math.Exp(3 * math.Sin(float64((e+1+len(seed))*i)))
		}
	}
	return &calibration.Calibration{Model: "tiny", File: "c", Norm: []float32{1}, Tensors: []calibration.Tensor{calibration.New(name, in, rows, sums)}}
}
