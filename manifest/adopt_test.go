package manifest

import (
	"os"
	"testing"
)

// TestSucceed: what was adopted needs not be read again when the other Stage has ended, and what was changed
// in between is not believed.
func TestSucceed(t *testing.T) {
	s := openStore(t, t.TempDir())
	part := openStage(t, s, "part")
	kept, changed := stagePut(t, part, "kept", "as it was"), stagePut(t, part, "changed", "not for long")
	if err := part.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := part.Keep(); err != nil {
		t.Fatal(err)
	}
	whole, part := openStage(t, s, "whole"), openStage(t, s, "part")
	if err := whole.Adopt(t.Context(), part); err != nil {
		t.Fatal(err)
	}
	if err := whole.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	flip(t, whole.stagedPath(changed.Digest))
	if err := whole.Succeed(part); err != nil {
		t.Fatal(err)
	}
	if s.Begun("part") {
		t.Error("the other Stage is still there")
	}
	for _, c := range []struct {
		Layer
		proven bool
	}{{kept, true}, {changed, false}} {
		info, err := os.Stat(whole.stagedPath(c.Digest))
		if err != nil {
			t.Fatal(err)
		}
		if got := whole.proofs.holds(c.Digest, info); got != c.proven {
			t.Errorf("%s: evidence %t", c.Digest, got)
		}
	}
	if err := whole.Discard(); err != nil {
		t.Error(err)
	}
}
