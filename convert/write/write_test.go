package write

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/convert/converttest"
	"qimport/convert/encode"
	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/quant"
	"qimport/quant/recipe"
)

const linear = "model.layers.0.mlp.up_proj.weight"
const experts = "model.layers.0.mlp.experts.up_proj.weight"

// TestWriteTransforms holds each transform to what the codecs make of the whole tensor at once. The
// large shape is cut into chunks, the small one is not.
func TestWriteTransforms(t *testing.T) {
	small, large := floats(1, quant.BF16, 64, 128), floats(2, quant.BF16, 1200, 1024)
	affine := quantized(quant.AffineFormat(6, 32), large)
	doubled := quantized(quant.FormatNVFP4, large)
	doubled.Global = []float32{0.75}
	powers := fp8(3, 1200, 1024, 0.5, 2, 1, 0.0625)
	tests := []struct {
		name      string
		source    quant.Tensor
		target    string
		transform plan.Transform
	}{
		{"copy", large, "keep", plan.Copy},
		{"copy quantized", affine, "keep", plan.Copy},
		{"copy with a global scale", doubled, "keep", plan.Copy},
		{"encode small", small, "nvfp4", plan.Encode},
		{"encode nvfp4", large, "nvfp4", plan.Encode},
		{"encode mxfp4", large, "mxfp4", plan.Encode},
		{"encode mxfp8", large, "mxfp8", plan.Encode},
		{"encode affine", large, "affine:3:128", plan.Encode},
		{"convert", large, "f32", plan.Convert},
		{"decode", affine, "bf16", plan.Decode},
		{"decode global scale", doubled, "f32", plan.Decode},
		{"reencode", affine, "mxfp8", plan.Reencode},
		{"reencode to affine", affine, "int4", plan.Reencode},
		{"FP8 exactly", powers, "keep", plan.Expand},
		{"FP8 decoded", fp8(4, 1200, 1024, 0.3), "keep", plan.Decode},
		{"FP8 again", fp8(4, 1200, 1024, 0.3), "mxfp8", plan.Reencode},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src := memory{tensors: map[string][]quant.Tensor{linear: {tt.source}}, files: map[string][]byte{"config.json": []byte("{}")}}
			rule, err := recipe.ParseOverride(linear + "=" + tt.target)
			if err != nil {
				t.Fatal(err)
			}
			facts := plan.Facts{Exact: map[string]bool{linear: tt.transform == plan.Expand}}
			plan, err := plan.New(src.inventory(t), recipe.Recipe{Rules: []recipe.Rule{rule}, AllowRequantize: true}, plan.Options{Facts: facts})
			if err != nil {
				t.Fatal(err)
			}
			tp := plan.Blobs[0].Tensors[0]
			if tp.Transform != tt.transform {
				t.Fatalf("the plan says %s, want %s", tp.Transform, tt.transform)
			}
			w := write(t, plan, src, t.TempDir(), Options{Jobs: 3})
			got, h := w.arrays(t, linear)
			checkArrays(t, got, expected(t, tt.source, tp))
			if tp.Target.IsQuantized() != (h.Metadata["quant_type"] == source.QuantType(tp.Target)) {
				t.Errorf("metadata is %v", h.Metadata)
			}
		})
	}
}

// expected is the arrays of the blob by the plainest way to make them.
func expected(t *testing.T, source quant.Tensor, tp plan.Tensor) map[string][]byte {
	t.Helper()
	out := source
	if source.Format != tp.Target {
		values := converttest.Decoded(t, source)
		scale := tp.Scale
		if scale == quant.NoDtype {
			scale = quant.BF16
		}
		w, s, b := tp.Target.PartSizes(len(values), scale)
		out = quant.Tensor{Format: tp.Target, Data: make([]byte, w), Scales: make([]byte, s), Biases: make([]byte, b)}
		if err := quant.Encode(tp.Target, quant.Packed{Weight: out.Data, Scales: out.Scales, Biases: out.Biases}, quant.Float32s(values), quant.Options{Scale: scale}); err != nil {
			t.Fatal(err)
		}
	}
	arrays := map[string][]byte{tp.Name: out.Data}
	if len(out.Scales) > 0 {
		arrays[tp.Name+".scale"] = out.Scales
	}
	if len(out.Biases) > 0 {
		arrays[tp.Name+".bias"] = out.Biases
	}
	if len(out.Global) > 0 {
		arrays[tp.Name+".global_scale"] = binary.LittleEndian.AppendUint32(nil, math.Float32bits(out.Global[0]))
	}
	if tp.Transform == plan.Expand { // other bytes may stand for the same numbers: compare the numbers
		return expectedByValue(t, source, tp)
	}
	return arrays
}

// expectedByValue is FP8 elements with the exponent of their block repeated for each group.
func expectedByValue(t *testing.T, source quant.Tensor, tp plan.Tensor) map[string][]byte {
	t.Helper()
	cols := source.Shape[1]
	across := (cols + 127) / 128
	var scales []byte
	for row := range source.Shape[0] {
		for group := range cols / 32 {
			at := (row/128*across + group/4) * 4
			v := math.Float32frombits(binary.LittleEndian.Uint32(source.Scales[at:]))
			scales = append(scales, byte(127+int(math.Log2(float64(v)))))
		}
	}
	same := quant.Tensor{Shape: source.Shape, Format: quant.FormatMXFP8, Data: source.Data, Scales: scales}
	want, got := converttest.Decoded(t, source), converttest.Decoded(t, same)
	for i := range want {
		if want[i] != got[i] {
			t.Fatalf("element %d is %g as mxfp8, %g as FP8", i, got[i], want[i])
		}
	}
	return map[string][]byte{tp.Name: source.Data, tp.Name + ".scale": scales}
}

// TestWriteStacksExperts holds the one blob of a group of experts to the experts one after another.
func TestWriteStacksExperts(t *testing.T) {
	src := memory{tensors: map[string][]quant.Tensor{}, files: map[string][]byte{"config.json": []byte("{}")}}
	for i, p := range []string{"gate_proj", "up_proj", "down_proj"} {
		for e := range 5 {
			name := "model.layers.0.mlp.experts." + p + ".weight"
			src.tensors[name] = append(src.tensors[name], floats(uint64(10*i+e), quant.BF16, 96, 256))
		}
	}
	plan, err := plan.New(src.inventory(t), recipe.Recipe{Type: quant.FormatNVFP4}, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Blobs) != 1 || plan.Blobs[0].Name != "model.layers.0.mlp.experts" {
		t.Fatalf("the plan has %d blobs, the first is %s", len(plan.Blobs), plan.Blobs[0].Name)
	}
	w := write(t, plan, src, t.TempDir(), Options{Jobs: 2})
	got, _ := w.arrays(t, "model.layers.0.mlp.experts")
	want := map[string][]byte{}
	for name, pieces := range src.tensors {
		for _, p := range pieces {
			q := quantized(quant.FormatNVFP4, p)
			want[name] = append(want[name], q.Data...)
			want[name+".scale"] = append(want[name+".scale"], q.Scales...)
		}
	}
	checkArrays(t, got, want)
}

// TestWriteFoldsGlobalScales multiplies powers of two into the block scales of experts.
func TestWriteFoldsGlobalScales(t *testing.T) {
	stack := quantized(quant.FormatNVFP4, floats(5, quant.BF16, 3, 400, 1024))
	for i := range stack.Scales { // away from the ends of e4m3
		stack.Scales[i] = 0x38 + stack.Scales[i]&0xf
	}
	stack.Global = []float32{0.25, 1, 8}
	src := memory{tensors: map[string][]quant.Tensor{experts: {stack}}, files: map[string][]byte{"config.json": []byte("{}")}}
	if !stack.FoldsGlobal() {
		t.Fatal("not foldable")
	}
	p, err := plan.New(src.inventory(t), recipe.Recipe{}, plan.Options{Facts: plan.Facts{Exact: map[string]bool{experts: true}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Blobs[0].Tensors[0].Transform; got != plan.Fold {
		t.Fatalf("the plan says %s", got)
	}
	got, _ := write(t, p, src, t.TempDir(), Options{Jobs: 2}).arrays(t, experts)
	folded := stack
	folded.Global, folded.Scales = nil, got[experts+".scale"]
	want, have := converttest.Decoded(t, stack), converttest.Decoded(t, folded)
	for i := range want {
		if want[i] != have[i] {
			t.Fatalf("element %d is %g, was %g", i, have[i], want[i])
		}
	}
	stack.Global[1] = 0.3
	if stack.FoldsGlobal() {
		t.Error("0.3 is said to fold exactly")
	}
}

func TestWriteMovesChannels(t *testing.T) {
	const name = "vision_tower.patch_embed.proj.weight"
	patches := floats(6, quant.BF16, 4, 2, 3, 5, 3) // out, time, height, width, channels
	src := memory{tensors: map[string][]quant.Tensor{name: {patches}}, files: map[string][]byte{"config.json": []byte("{}")}}
	inv := src.inventory(t)
	inv.Patches, inv.Tensors[0].Role = source.ChannelsLast, arch.Vision
	plan, err := plan.New(inv, recipe.Recipe{}, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, h := write(t, plan, src, t.TempDir(), Options{}).arrays(t, name)
	if want := []int{4, 3, 2, 3, 5}; !slices.Equal(h.Tensors[0].Shape, want) {
		t.Fatalf("the shape is %v", h.Tensors[0].Shape)
	}
	for o := range 4 {
		for c := range 3 {
			for px := range 30 {
				from, to := ((o*30+px)*3+c)*2, ((o*3+c)*30+px)*2
				if !bytes.Equal(patches.Data[from:from+2], got[name][to:to+2]) {
					t.Fatalf("out %d, channel %d, pixel %d differs", o, c, px)
				}
			}
		}
	}
}

func TestWriteDoesNotDependOnJobs(t *testing.T) {
	src := mixedModel()
	plan, err := plan.New(src.inventory(t), recipe.Recipe{Policy: recipe.Uniform, Type: quant.FormatNVFP4, AllowRequantize: true}, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var first string
	for _, jobs := range []int{1, 2, 7, 64} {
		var last encode.Progress
		w := write(t, plan, src, t.TempDir(), Options{Jobs: jobs, Progress: func(p encode.Progress) {
			if p.Done < last.Done {
				t.Errorf("progress goes back from %d to %d", last.Done, p.Done)
			}
			last = p
		}})
		if last.Done != last.Total || last.Total != plan.Totals().BytesRead {
			t.Errorf("%d jobs: progress ends at %d of %d", jobs, last.Done, last.Total)
		}
		digest := w.manifest.Config.Digest.String()
		for _, l := range w.manifest.Layers {
			digest += l.Digest.String()
		}
		if first == "" {
			first = digest
		}
		if digest != first {
			t.Errorf("%d jobs write other bytes than one", jobs)
		}
	}
}

func TestWriteRefusesWhatIsNoNumber(t *testing.T) {
	nan := floats(1, quant.BF16, 64, 64)
	copy(nan.Data[100:], []byte{0xc0, 0x7f})
	inf := floats(2, quant.F32, 900, 1024)
	copy(inf.Data[len(inf.Data)-4:], []byte{0, 0, 0x80, 0x7f})
	scales := quantized(quant.FormatInt4, floats(3, quant.BF16, 64, 64))
	copy(scales.Biases, []byte{0xc0, 0x7f})
	mx := quantized(quant.FormatMXFP8, floats(4, quant.BF16, 64, 64))
	mx.Scales[7] = 0xff
	elements := fp8(5, 128, 128, 1)
	elements.Data[5] = 0x7f
	wide := floats(6, quant.F32, 64, 64)
	copy(wide.Data, []byte{0, 0, 0x80, 0x7e}) // 8.5e37
	tests := []struct {
		name   string
		source quant.Tensor
		target string
		says   string
	}{
		{"NaN encoded", nan, "nvfp4", "in rows 0 to 63, 1 of 4096 numbers of its weight"},
		{"NaN kept", nan, "keep", "NaN or infinite"},
		{"infinity at the end", inf, "mxfp8", "NaN or infinite"},
		{"affine bias", scales, "keep", "1 of 64 numbers of its biases"},
		{"e8m0 scale", mx, "keep", "1 of 128 numbers of its scales"},
		{"FP8 element", elements, "keep", "1 of 16384 numbers of its weight"},
		{"too large", wide, "f16", "too large for F16"},
	}
	for _, tt := range tests {
		src := memory{tensors: map[string][]quant.Tensor{linear: {tt.source}}, files: map[string][]byte{"config.json": []byte("{}")}}
		rule, _ := recipe.ParseOverride(linear + "=" + tt.target)
		plan, err := plan.New(src.inventory(t), recipe.Recipe{Rules: []recipe.Rule{rule}}, plan.Options{Facts: plan.Facts{Exact: map[string]bool{linear: true}}})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = Blobs(context.Background(), plan, src, openStage(t, plan, t.TempDir()), Options{})
		if !errors.Is(err, source.ErrSource) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), linear) {
			t.Errorf("%s: says %v, want %q and the tensor's name", tt.name, err, tt.says)
		}
	}
}
