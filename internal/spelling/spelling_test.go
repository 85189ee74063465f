package spelling

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	known := []string{"import", "plan", "verify", "nvfp4", "mxfp8", "quantize"}
	for typed, want := range map[string]string{
		"plna": "plan", "imprt": "import", "verfiy": "verify", "nvfp5": "nvfp4", "mxpf8": "mxfp8", "quantise": "quantize", "PLAN": "plan", "q": "", "pln": "plan",
		"frobnicate": "", "": "", strings.Repeat("x", 1<<20): "",
	} {
		if got := Nearest(typed, known); got != want {
			t.Errorf("%.40q: %q, want %q", typed, got, want)
		}
	}
}
