package quant

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files of this package anew")

// goldens are one matrix in float32 and bf16, and what mx.quantize 0.32.2 makes of it on the CPU in
// every mode: the whole file where the fixtures are, and always its first 16 rows, which hold the
// zeros, ties, constants, one-sided, tiny and huge groups.
func goldens(t *testing.T) map[string]string {
	files := map[string]string{"excerpt": "testdata/golden_excerpt.safetensors"}
	if dir := os.Getenv("QIMPORT_FIXTURES"); dir != "" {
		files["full"] = filepath.Join(dir, "golden_quantize.safetensors")
	} else {
		t.Log("QIMPORT_FIXTURES is not set: only the excerpt is tested")
	}
	return files
}

func goldenFormats() []Format {
	formats := []Format{FormatNVFP4, FormatMXFP4, FormatMXFP8}
	for _, bits := range []int{2, 3, 4, 5, 6, 8} {
		for _, group := range []int{32, 64, 128} {
			formats = append(formats, AffineFormat(bits, group))
		}
	}
	return formats
}

// golden is one format's tensors of a file.
type golden struct {
	name      string // as in the file, "bf16.affine4-g64"
	format    Format
	dtype     Dtype
	source    []byte
	tensor    Tensor
	decoded   []byte // by mx.dequantize
	decodedAs Dtype
}

func loadGoldens(t *testing.T, path string) []golden {
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	end := 8 + binary.LittleEndian.Uint64(raw)
	var header map[string]struct {
		Dtype   string
		Shape   []int
		Offsets []uint64 `json:"data_offsets"`
	}
	if err := json.Unmarshal(raw[8:end], &header); err != nil {
		t.Fatal(err)
	}
	part := func(name string) []byte {
		o := header[name].Offsets
		if o == nil {
			return nil
		}
		return raw[end+o[0] : end+o[1]]
	}
	var all []golden
	for _, f := range goldenFormats() {
		for _, d := range []Dtype{BF16, F32} {
			name := strings.ToLower(d.String()) + "." + f.Mode.String()
			if f.Mode == Affine {
				name += fmt.Sprintf("%d-g%d", f.Bits, f.GroupSize)
			}
			g := golden{name: name, format: f, dtype: d, source: part("w." + strings.ToLower(d.String()))}
			g.tensor = Tensor{Shape: header["w.f32"].Shape, Format: f, Data: part(name + ".weight"), Scales: part(name + ".scales"), Biases: part(name + ".biases")}
			if f.Mode == Affine {
				g.tensor.ScaleDtype = d
			}
			g.decoded = part(name + ".dequantized")
			g.decodedAs, _ = ParseDtype(header[name+".dequantized"].Dtype)
			all = append(all, g)
		}
	}
	return all
}

// TestEncodeAgainstMLX walks from MLX's CPU rules, which must give MLX's bytes exactly, to the GPU
// rules, which must give Encode's bytes exactly, one rule at a time. What each rule changes is
// counted in testdata/disagreements_*.txt: all that Encode and MLX's CPU disagree in.
func TestEncodeAgainstMLX(t *testing.T) {
	for name, path := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			var report strings.Builder
			for _, g := range loadGoldens(t, path) {
				walkRules(t, g, &report)
			}
			compareGolden(t, "testdata/disagreements_"+name+".txt", report.String())
		})
	}
}

func walkRules(t *testing.T, g golden, report *strings.Builder) {
	w := make([]float32, Elements(g.tensor.Shape))
	if err := ToFloat32(w, g.source, g.dtype); err != nil {
		t.Fatal(err)
	}
	at := modelEncode(g.format, w, g.dtype, 0)
	mustEqual(t, g, "MLX on the CPU", at, unpackModel(g.format, g.tensor))
	fmt.Fprintf(report, "%s, %d codes, %d scales\n", g.name, len(at.codes), len(w)/g.format.GroupSize)
	on := rule(0)
	for _, r := range ruleNames {
		on |= r.rule
		next := modelEncode(g.format, w, g.dtype, on)
		codes, scales := countDiff(at.codes, next.codes, 1), countDiff(at.scales, next.scales, len(at.scales)*g.format.GroupSize/len(w))
		if codes+scales > 0 {
			fmt.Fprintf(report, "    %-24s %6d codes %5d scales\n", r.name, codes, scales)
		}
		at = next
	}
	p := newPacked(g.format, len(w), g.dtype)
	if err := Encode(g.format, p, Values{g.source, g.dtype}, Options{}); err != nil {
		t.Fatal(err)
	}
	encoded := g.tensor
	encoded.Data, encoded.Scales, encoded.Biases = p.Weight, p.Scales, p.Biases
	mustEqual(t, g, "Encode", at, unpackModel(g.format, encoded))
}

// mustEqual holds a model to the bytes that someone made.
func mustEqual(t *testing.T, g golden, who string, want, got model) {
	t.Helper()
	for _, part := range []struct {
		name      string
		want, got []byte
	}{{"codes", want.codes, got.codes}, {"scales", want.scales, got.scales}, {"biases", want.biases, got.biases}} {
		if !bytes.Equal(part.want, part.got) {
			i := 0
			for i < len(part.want) && i < len(part.got) && part.want[i] == part.got[i] {
				i++
			}
			t.Errorf("%s: %s of %s differ from the rule in %d of %d bytes, first at %d", g.name, part.name, who,
				countDiff(part.want, part.got, 1), len(part.want), i)
		}
	}
}

// unpackModel spreads the codes of an encoded tensor, one a byte.
func unpackModel(f Format, tensor Tensor) model {
	m := model{scales: tensor.Scales, biases: tensor.Biases}
	bit := 0
	for range Elements(tensor.Shape) {
		code := 0
		for i := range f.Bits {
			code |= int(tensor.Data[bit/8]>>(bit%8)&1) << i
			bit++
		}
		m.codes = append(m.codes, byte(code))
	}
	return m
}

// countDiff counts the entries of size bytes that differ.
func countDiff(a, b []byte, size int) int {
	n := 0
	for i := 0; i < len(a); i += size {
		if !bytes.Equal(a[i:i+size], b[i:i+size]) {
			n++
		}
	}
	return n
}

// TestDecodeAgainstMLX: float modes agree after one rounding to the dtype that MLX gives, affine in
// float32 as it is, affine in bf16 after rounding product and sum, as MLX's CPU does.
func TestDecodeAgainstMLX(t *testing.T) {
	for name, path := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			for _, g := range loadGoldens(t, path) {
				got := decodeAll(t, g.tensor)
				if g.format.Mode == Affine && g.dtype == BF16 {
					got = decodeInBF16(t, g.tensor)
				}
				b := make([]byte, len(got)*g.decodedAs.Size())
				if err := FromFloat32(b, g.decodedAs, got); err != nil {
					t.Fatal(err)
				}
				if n := countDiff(b, g.decoded, g.decodedAs.Size()); n > 0 {
					t.Errorf("%s: %d of %d values differ", g.name, n, len(got))
				}
			}
		})
	}
}

func decodeAll(t *testing.T, tensor Tensor) []float32 {
	t.Helper()
	if err := tensor.Validate(); err != nil {
		t.Fatal(err)
	}
	w := make([]float32, Elements(tensor.Shape))
	if err := tensor.Decode(w, 0); err != nil {
		t.Fatal(err)
	}
	return w
}

// decodeInBF16 rounds code*scale and then the sum, from codes that a scale of 1 and no bias give.
func decodeInBF16(t *testing.T, tensor Tensor) []float32 {
	f, groups := tensor.Format, len(tensor.Scales)/2
	scales, biases := make([]float32, groups), make([]float32, groups)
	if ToFloat32(scales, tensor.Scales, BF16) != nil || ToFloat32(biases, tensor.Biases, BF16) != nil {
		t.Fatal("scales")
	}
	codes := tensor
	codes.Scales, codes.Biases = bytes.Repeat([]byte{0x80, 0x3F}, groups), make([]byte, 2*groups)
	w := decodeAll(t, codes)
	for i, q := range w {
		s, b := scales[i/f.GroupSize], biases[i/f.GroupSize]
		w[i] = roundTo(BF16, roundTo(BF16, float32(q*s))+b)
	}
	return w
}

func newPacked(f Format, n int, scale Dtype) Packed {
	w, s, b := f.PartSizes(n, scale)
	return Packed{Weight: make([]byte, w), Scales: make([]byte, s), Biases: make([]byte, b)}
}

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (-update rewrites it); got:\n%s", path, got)
	}
}
