package runtimetest

import (
	"os"
	"testing"
)

// Fixture is one of the trained checkpoints and how far a model may be from its reference.
type Fixture struct {
	Name  string
	Worst float64 // of a log-probability
	Flips int     // positions that may be off by more: where a router chooses otherwise
}

// Folder is the folder of the fixtures, which QIMPORT_FIXTURES names; without it the test is
// skipped.
func Folder(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("QIMPORT_FIXTURES")
	if dir == "" {
		t.Skip("QIMPORT_FIXTURES names no folder of fixtures")
	}
	return dir
}

// MaxNLL is by how much a mean negative log-likelihood may differ from its reference.
const MaxNLL = 1e-4

// Fixtures lists them all. MLX's own forms are held tightly. The others' references were made from
// a conversion to bf16 that rounds norms and decoded weights, which moves every log-probability.
func Fixtures() []Fixture {
	return []Fixture{
		{"tiny-qwen3.5-bf16", 2e-3, 0},
		{"tiny-qwen3.5-3bit", 5e-3, 0},
		{"tiny-qwen3.5-4bit", 5e-3, 0},
		{"tiny-qwen3.5-5bit", 5e-3, 0},
		{"tiny-qwen3.5-8bit", 5e-3, 0},
		{"tiny-qwen3.5-mixed_4_6", 5e-3, 0},
		{"tiny-qwen3.5-nvfp4", 5e-3, 0},
		{"tiny-qwen3.5-mxfp4", 5e-3, 0},
		{"tiny-qwen3.5-mxfp8", 5e-3, 0},
		{"tiny-qwen3.5-vlm-4bit", 5e-3, 0},
		{"tiny-qwen3.5-moe-4bit", 5e-3, 0},
		{"tiny-qwen3.5-moe-nvfp4", 5e-3, 0},
		{"tiny-qwen3.5-moe-mxfp8", 5e-3, 0},
		{"tiny-qwen3-4bit", 5e-3, 0},
		{"tiny-qwen3-nvfp4", 5e-3, 0},
		{"tiny-qwen3-hf", 5e-3, 0}, // its norms are plain and its weights bf16
		{"tiny-qwen3.5-hf", 0.2, 0},
		{"tiny-qwen3.5-moe-hf", 0.2, 8},
		{"tiny-qwen3-next", 0.2, 8},
		{"tiny-qwen3.5-fp8", 0.2, 0},
		{"tiny-qwen3.5-ct-nvfp4", 0.2, 0},
		{"tiny-qwen3.5-modelopt-nvfp4", 0.2, 0},
		{"tiny-qwen3.5-moe-fp8", 0.2, 8},
		{"tiny-qwen3.5-moe-ct-nvfp4", 0.2, 8},
		{"tiny-qwen3.5-moe-modelopt-nvfp4", 0.2, 8},
	}
}
