package runtime_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"qimport/quant"
)

// mlxDir reads a checkpoint in MLX's form, plain or quantized, from one model.safetensors.
type mlxDir struct {
	dir    string
	header map[string]entry
	data   []byte
	global json.RawMessage
	paths  map[string]json.RawMessage
}

type entry struct {
	Dtype   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`
}

func openMLX(t testing.TB, dir string) *mlxDir {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(b)
	raw := map[string]json.RawMessage{}
	if err := json.Unmarshal(b[8:8+n], &raw); err != nil {
		t.Fatal(err)
	}
	d := &mlxDir{dir: dir, header: map[string]entry{}, data: b[8+n:]}
	for k, v := range raw {
		if k == "__metadata__" {
			continue
		}
		var e entry
		if err := json.Unmarshal(v, &e); err != nil {
			t.Fatal(err)
		}
		d.header[k] = e
	}
	var cfg struct {
		Quantization json.RawMessage `json:"quantization"`
	}
	c, err := d.File("config.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(c, &cfg); err != nil {
		t.Fatal(err)
	}
	d.global = cfg.Quantization
	_ = json.Unmarshal(cfg.Quantization, &d.paths)
	return d
}

func (d *mlxDir) Names() []string {
	var names []string
	for n := range d.header {
		if !strings.HasSuffix(n, ".scales") && !strings.HasSuffix(n, ".biases") {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	return names
}

func (d *mlxDir) part(name string) []byte {
	e, ok := d.header[name]
	if !ok {
		return nil
	}
	return d.data[e.Offsets[0]:e.Offsets[1]]
}

func (d *mlxDir) Load(name string) (quant.Tensor, error) {
	e, ok := d.header[name]
	if !ok {
		return quant.Tensor{}, fmt.Errorf("no tensor %s", name)
	}
	dtype, err := quant.ParseDtype(e.Dtype)
	if err != nil {
		return quant.Tensor{}, err
	}
	t := quant.Tensor{Shape: e.Shape, Format: quant.PlainFormat(dtype), Data: d.part(name)}
	path := strings.TrimSuffix(name, ".weight")
	scales, ok := d.header[path+".scales"]
	if !ok {
		return t, nil
	}
	var q struct {
		Group int    `json:"group_size"`
		Bits  int    `json:"bits"`
		Mode  string `json:"mode"`
	}
	q.Mode = "affine"
	spec := d.global
	if p, ok := d.paths[path]; ok {
		spec = p
	}
	if err := json.Unmarshal(spec, &q); err != nil {
		return t, err
	}
	t.Scales, t.Biases = d.part(path+".scales"), d.part(path+".biases")
	switch q.Mode {
	case "nvfp4":
		t.Format = quant.FormatNVFP4
	case "mxfp4":
		t.Format = quant.FormatMXFP4
	case "mxfp8":
		t.Format = quant.FormatMXFP8
	default:
		t.Format = quant.AffineFormat(q.Bits, q.Group)
		if t.ScaleDtype, err = quant.ParseDtype(scales.Dtype); err != nil {
			return t, err
		}
	}
	t.Shape = append([]int(nil), e.Shape...)
	t.Shape[len(t.Shape)-1] = e.Shape[len(e.Shape)-1] * 32 / t.Format.Bits
	return t, t.Validate()
}

func (d *mlxDir) File(name string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(d.dir, name))
	if os.IsNotExist(err) {
		err = fs.ErrNotExist
	}
	return b, err
}
