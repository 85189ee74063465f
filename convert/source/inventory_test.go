package source

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"qimport/convert/converttest"
	"qimport/manifest"
	"qimport/quant"
)

var digits = regexp.MustCompile(`\.\d+\.`)

// summary is an inventory for a golden file: layers that are alike are one line.
func summary(inv Inventory) string {
	lines := map[string]int{}
	for _, t := range inv.Tensors {
		line := fmt.Sprintf("%s %v %s", digits.ReplaceAllString(t.Name, ".N."), t.Shape, t.Format)
		if t.ScaleDtype != 0 {
			line += " scales " + t.ScaleDtype.String()
		}
		if t.Global != NoGlobal {
			line += fmt.Sprintf(" global %d", t.Global)
		}
		if t.Stacked {
			line += " stacked"
		}
		lines[line+" "+t.Role.String()]++
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, norms %s, patches %d, files %s\n", inv.Config.Family, inv.NormForm, inv.Patches, strings.Join(inv.Files, " "))
	for _, note := range inv.Notes {
		fmt.Fprintln(&b, "note:", note)
	}
	for _, line := range slices.Sorted(maps.Keys(lines)) {
		fmt.Fprintf(&b, "%3d %s\n", lines[line], line)
	}
	return b.String()
}

// goldenInventory holds an inventory to its golden file, and every tensor that it promises to what
// Load lends.
func goldenInventory(t *testing.T, name string, s *Source) {
	t.Helper()
	for _, tensor := range s.Names() {
		q, err := s.Load(tensor)
		if err == nil {
			err = q.Validate()
		}
		if err == nil {
			err = quant.CheckFinite(q)
		}
		if err != nil {
			t.Errorf("tensor %s: %v", tensor, err)
		}
	}
	converttest.Golden(t, "testdata/inventory/"+name+".txt", summary(s.Inventory()))
}

func TestInventoryOfShippedModels(t *testing.T) {
	for _, name := range []string{"qwen3.5-bf16", "qwen3.5-moe-4bit"} {
		t.Run(name, func(t *testing.T) {
			s, err := OpenDir(filepath.Join("..", "..", "testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			goldenInventory(t, "shipped-"+name, s)
		})
	}
}

func TestInventoryOfFixtures(t *testing.T) {
	entries, err := os.ReadDir(converttest.SourceDir(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(converttest.SourceDir(t, e.Name()), "config.json")); err != nil {
			continue // no checkpoint: a store, or a folder of more
		}
		t.Run(e.Name(), func(t *testing.T) {
			s, err := OpenDir(converttest.SourceDir(t, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			goldenInventory(t, e.Name(), s)
		})
	}
}

func TestInventoryOfOllamaStore(t *testing.T) {
	store, err := manifest.Open(converttest.SourceDir(t, "ollama-store"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := store.List()
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d models, %v", len(entries), err)
	}
	for _, e := range entries {
		t.Run(e.Name.Model, func(t *testing.T) {
			m, err := store.Manifest(e.Name)
			if err != nil {
				t.Fatal(err)
			}
			s, err := OpenStored(m, store.Blob)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			goldenInventory(t, "ollama-"+e.Name.Model, s)
		})
	}
}
