package checkpoint

import (
	"slices"
	"testing"
)

// TestSidecars: files of heads are told from shards by their names.
func TestSidecars(t *testing.T) {
	names := []string{"model.safetensors", "model-mtp.safetensors", "mtp.safetensors", "model-mtp-00001-of-00001.safetensors", "mtpx.bin", "empty.safetensors"}
	want := []string{"model-mtp.safetensors", "mtp.safetensors", "model-mtp-00001-of-00001.safetensors"}
	if got := sidecars(names, []string{"model.safetensors"}); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := sidecars(names, names); got != nil {
		t.Errorf("shards are taken for heads: %q", got)
	}
	if shards, err := loose(names); err != nil || !slices.Equal(shards, names[:1]) {
		t.Errorf("%q, %v", shards, err)
	}
	if _, err := loose(names[1:3]); err == nil {
		t.Error("a head alone is a model")
	}
	for name, want := range map[string]bool{"mtp.fc.weight": true, "model.mtp.norm.weight": true, "language_model.mtp.norm.weight": true, "model.layers.0.mtpx.weight": false} {
		if isHead(name) != want {
			t.Errorf("%s: %t", name, !want)
		}
	}
}
