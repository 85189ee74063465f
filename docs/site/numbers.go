package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// numbers is what make bench has written into the README, with the words around it, each table under
// the machine that it was measured on.
func (s *site) numbers(p page) ([]byte, error) {
	const begin, end = "\n## How fast\n", "\n## "
	b, err := os.ReadFile(filepath.Join(s.root, p.file))
	if err != nil {
		return nil, err
	}
	_, rest, ok := strings.Cut(string(b), begin)
	text, _, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return nil, fmt.Errorf("there is no part%s", begin)
	}
	if tables, machines := strings.Count(text, "<!-- speeds: "), strings.Count(text, "\nMeasured on "); tables == 0 || tables != machines {
		return nil, fmt.Errorf("%d tables of make bench name %d machines", tables, machines)
	}
	more := "\n\nWhat formats cost in divergence is in [recipes](docs/recipes.md#calibration), what a GPU gives in [its page](docs/gpu.md), and how every family and source format compares with mlx-lm in [the list of models](README.md#formats-and-models).\n"
	return s.render(p, []byte("# Numbers\n\n"+text+more))
}
