package vision_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"qimport/convert/source"
	"qimport/quant"
	"qimport/runtime/layer"
	"qimport/runtime/mlx"
	"qimport/runtime/model"
	"qimport/runtime/picture"
	"qimport/runtime/runtimetest"
	"qimport/runtime/vision"
)

// reference is what transformers says of a model's pictures; see the fixtures' README.
type reference struct {
	Pictures []struct {
		Pictures []string
		Grids    [][3]int
		Features [][]float64
	}
}

// see runs f with the tower of a checkpoint in memory, in float32.
func see(t *testing.T, dir string, mode layer.Mode, f func(*mlx.Scope, *vision.Tower) error) {
	t.Helper()
	src, err := source.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	ck, err := model.Open(src.Inventory().Config, src)
	if err != nil {
		t.Fatal(err)
	}
	tower, err := ck.Tower(layer.Compute{Mode: mode, State: quant.F32, Decay: quant.F32})
	if err != nil {
		t.Fatal(err)
	}
	thread, err := mlx.Start(mlx.CPU)
	if errors.Is(err, mlx.ErrNoMLX) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer thread.Close()
	for _, m := range tower.Mapped() {
		if err := m.Open(); err != nil {
			t.Fatal(err)
		}
		defer m.Close()
	}
	err = thread.Do(t.Context(), func(s *mlx.Scope) error {
		for _, p := range tower.Params() {
			if p.Array, err = s.Fill(p.Dtype, p.Shape, p.Fill); err != nil {
				return err
			}
		}
		return f(s, tower)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFeatures holds the features of every picture to those of transformers.
func TestFeatures(t *testing.T) {
	folder := runtimetest.Folder(t)
	for _, name := range []string{"tiny-qwen3.5-vl", "tiny-qwen3.5-vl-moe"} {
		for _, mode := range []layer.Mode{layer.F32, layer.Quantized, layer.BF16} {
			t.Run(name+"/"+mode.String(), func(t *testing.T) {
				dir := filepath.Join(folder, name)
				var want reference
				read(t, dir+".reference.json", func(b []byte) error { return json.Unmarshal(b, &want) })
				var processor picture.Processor
				read(t, filepath.Join(dir, picture.ProcessorFile), func(b []byte) (err error) {
					processor, err = picture.ReadProcessor(b)
					return err
				})
				limit := map[layer.Mode]float64{layer.F32: 1e-3, layer.Quantized: 1e-3, layer.BF16: 0.05}[mode]
				worst, seen := 0.0, 0
				see(t, dir, mode, func(s *mlx.Scope, tower *vision.Tower) error {
					for _, q := range want.Pictures {
						for i, file := range q.Pictures {
							var patches picture.Patches
							read(t, filepath.Join(dir, file), func(b []byte) error {
								p, err := picture.Decode(b)
								if err == nil {
									patches, err = processor.Cut(p)
								}
								return err
							})
							if g := q.Grids[i]; g[1] != patches.Rows || g[2] != patches.Columns {
								t.Fatalf("%s: %d by %d patches, want %v", file, patches.Rows, patches.Columns, g)
							}
							f, err := tower.See(s, patches.Values, patches.Rows, patches.Columns, nil)
							if err != nil {
								return err
							}
							worst = max(worst, farthest(s.Float32s(f.Merged), q.Features[i]))
							seen++
						}
					}
					return nil
				})
				t.Logf("%d pictures, off by up to %.2g", seen, worst)
				if !(worst <= limit) || seen < 15 {
					t.Errorf("features of %d pictures are off by up to %.3g, more than %g", seen, worst, limit)
				}
			})
		}
	}
}

func read(t *testing.T, path string, f func([]byte) error) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = f(b)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// farthest compares evenly spread values with all.
func farthest(all []float32, spread []float64) (worst float64) {
	for i, want := range spread {
		at := i * (len(all) / len(spread))
		worst = math.Max(worst, math.Abs(float64(all[at])-want))
	}
	return worst
}
