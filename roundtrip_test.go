package qimport

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qimport/arch"
	"qimport/convert/converttest"
	"qimport/convert/source"
	"qimport/manifest"
	"qimport/quant"
)

// TestExportComesBack: what was in mlx form, and kept, is exported and imported again to the manifest of the
// first import, digest for digest. Of all else the export says what changes.
func TestExportComesBack(t *testing.T) {
	made, err := filepath.Glob("convert/source/testdata/producers/*/oracle.json")
	if err != nil || len(made) == 0 {
		t.Fatal(made, err)
	}
	dirs := []string{dense, moe, "testdata/qwen3-vl-moe"}
	for _, path := range made {
		dirs = append(dirs, converttest.WithTokenizer(t, filepath.Dir(path)))
	}
	if fixtures := os.Getenv("QIMPORT_FIXTURES"); fixtures != "" {
		found, err := filepath.Glob(filepath.Join(fixtures, "*", "config.json"))
		if err != nil || len(found) == 0 {
			t.Fatal(found, err)
		}
		for _, path := range found {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			store := openStore(t, t.TempDir())
			first := imported(t, store, unverified(dir, quant.Format{}))
			stores := func() (*manifest.Store, error) { return store, nil }
			out := filepath.Join(t.TempDir(), "out")
			exported, err := Export(t.Context(), stores, "m", out, ExportOptions{})
			if err != nil {
				t.Fatal(err)
			}
			again := imported(t, store, unverified(out, quant.Format{}))
			changes := strings.Contains(strings.Join(exported.Notes, "\n"), "an import of this directory")
			if same := again.Digest == first.Digest; same == changes || !same && inMLXForm(t, dir) {
				t.Errorf("the same manifest: %v, and the export says %q", same, exported.Notes)
			}
		})
	}
}

// inMLXForm says whether a checkpoint is one that mlx-lm could have written.
func inMLXForm(t *testing.T, dir string) bool {
	t.Helper()
	config, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(config), `"quant_method"`) {
		return false
	}
	src, err := source.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	inv := src.Inventory()
	for _, tensor := range inv.Tensors {
		if tensor.Turned {
			return false
		}
		switch tensor.Format.Mode {
		case quant.Plain, quant.Affine:
		case quant.NVFP4, quant.MXFP4, quant.MXFP8:
			if tensor.Pieces[0].Global.Exists() || tensor.Stacked {
				return false
			}
		default:
			return false
		}
	}
	return inv.NormForm != arch.NormsRaw
}
