package runtime_test

import (
	"path/filepath"
	"testing"

	"qimport/runtime"
	"qimport/runtime/mlx"
	"qimport/runtime/runtimetest"
)

// TestChained: blocks that are few operations give what the operations give one by one, but for how a sigmoid
// is rounded and the order in which experts are added up.
func TestChained(t *testing.T) {
	for _, name := range []string{"qwen3.5-bf16", "qwen3.5-moe-4bit"} {
		t.Run(name, func(t *testing.T) { chained(t, filepath.Join("../testdata", name)) })
	}
}

// TestChainedFixtures is the same for every family and format.
func TestChainedFixtures(t *testing.T) {
	dir := runtimetest.Folder(t)
	if testing.Short() {
		t.Skip("all fixtures take long; TestChained holds the repository's own")
	}
	for _, f := range runtimetest.Fixtures() {
		t.Run(f.Name, func(t *testing.T) { chained(t, filepath.Join(dir, f.Name)) })
	}
}

func chained(t *testing.T, dir string) {
	const limit = 1e-4
	m := load(t, openDir(t, dir), runtime.Options{Device: mlx.CPU})
	apart, err := runtime.ChainsApart(t.Context(), m, someTokens(40))
	if err != nil {
		t.Fatal(err)
	}
	if !(apart <= limit) {
		t.Errorf("logits are up to %g apart, which may be %g", apart, limit)
	}
}
