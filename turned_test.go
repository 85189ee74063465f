package qimport

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/manifest"
	"qimport/quant"
)

// TestTurnedFP8: stacks of experts in FP8 are the same model whichever way they lie: the same blobs when they
// are imported, and the same files when they are exported, also where blocks run across gate and up.
func TestTurnedFP8(t *testing.T) {
	for _, c := range []struct {
		name  string
		block int
		scale func(i int) float32
	}{
		{"decoded", 20, func(i int) float32 { return 1e-4 * float32(1+i%37) }},
		{"mxfp8 as they are", 32, func(i int) float32 { return float32(math.Ldexp(1, -12-i%5)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var entries []manifest.Entry
			var exported [][]byte
			for _, turned := range []bool{false, true} {
				dir := expertsInFP8(t, "testdata/qwen3-vl-moe", c.block, c.scale, turned)
				store := openStore(t, t.TempDir())
				entries = append(entries, imported(t, store, unverified(dir, quant.Format{})))
				out := filepath.Join(t.TempDir(), "out")
				if _, err := Export(t.Context(), func() (*manifest.Store, error) { return store, nil }, dir, out, ExportOptions{}); err != nil {
					t.Fatal(err)
				}
				b, err := os.ReadFile(filepath.Join(out, "model.safetensors"))
				if err != nil {
					t.Fatal(err)
				}
				exported = append(exported, b)
			}
			if entries[0].Digest != entries[1].Digest {
				t.Error("the two imports are not the same model")
			}
			if !bytes.Equal(exported[0], exported[1]) {
				t.Error("the two exports are not the same model")
			}
		})
	}
}

// expertsInFP8 is a copy of a checkpoint that has its stacks [experts, in, out], with numbers of the test's own
// in FP8 in their place: as the release has them, or turned to [experts, out, in].
func expertsInFP8(t *testing.T, dir string, block int, scale func(i int) float32, asReleased bool) string {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(copied, "config.json")
	config := map[string]any{}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &config); err != nil {
		t.Fatal(err)
	}
	config["quantization_config"] = map[string]any{"quant_method": "fp8", "weight_block_size": []int{block, block}}
	if b, err = json.Marshal(config); err == nil {
		err = os.WriteFile(path, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}

	path = filepath.Join(copied, "model.safetensors")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	type array struct {
		Dtype   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	header, data := map[string]json.RawMessage{}, whole[8+binary.LittleEndian.Uint64(whole):]
	if err := json.Unmarshal(whole[8:len(whole)-len(data)], &header); err != nil {
		t.Fatal(err)
	}
	arrays, body := map[string]array{}, []byte{}
	add := func(name, dtype string, shape []int, b []byte) {
		arrays[name] = array{dtype, shape, [2]int{len(body), len(body) + len(b)}}
		body = append(body, b...)
	}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		var a array
		if name == "__metadata__" {
			continue
		}
		if err := json.Unmarshal(header[name], &a); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(name, ".mlp.experts.") {
			add(name, a.Dtype, a.Shape, data[a.Offsets[0]:a.Offsets[1]])
			continue
		}
		e, in, out := a.Shape[0], a.Shape[1], a.Shape[2]
		blocks := func(n int) int { return (n + block - 1) / block }
		codes := laid(e, out, in, asReleased, func(i int) []byte { return []byte{byte(i*11%0x7f) | byte(i%2)<<7} })
		scales := laid(e, blocks(out), blocks(in), asReleased, func(i int) []byte {
			return binary.LittleEndian.AppendUint32(nil, math.Float32bits(scale(i)))
		})
		shape := func(rows, columns int) []int {
			if asReleased {
				rows, columns = columns, rows
			}
			return []int{e, rows, columns}
		}
		add(name, "F8_E4M3", shape(out, in), codes)
		add(name+"_scale_inv", "F32", shape(blocks(out), blocks(in)), scales)
	}
	head, err := json.Marshal(arrays)
	if err != nil {
		t.Fatal(err)
	}
	file := slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(head))), head, body)
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
	return copied
}

// laid is matrices of elements, numbered row by row, as they lie in a file: turned, or row by row.
func laid(matrices, rows, columns int, turned bool, element func(i int) []byte) (all []byte) {
	for m := range matrices {
		for i := range rows * columns {
			at := i
			if turned {
				at = i%rows*columns + i/rows
			}
			all = append(all, element(m*rows*columns+at)...)
		}
	}
	return all
}
