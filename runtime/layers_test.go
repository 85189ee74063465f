package runtime_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"qimport/runtime"
)

// counted is a context that is cancelled when it has been asked so many times.
type counted struct {
	context.Context
	left *int
}

func (c counted) Done() <-chan struct{} { return nil }

func (c counted) Err() error {
	if *c.left--; *c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestInterruptedPass: a pass over the layers that is interrupted in any of them leaves a session as it
// was, and what is read then is what it would have been.
func TestInterruptedPass(t *testing.T) {
	m := small(t, runtime.Options{})
	ids := someTokens(900)
	whole := m.NewSession()
	defer whole.Close()
	want, err := whole.Feed(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	x := m.NewSession()
	defer x.Close()
	if _, err := x.Feed(t.Context(), ids[:100]); err != nil {
		t.Fatal(err)
	}
	for _, after := range []int{3, 7, 12} {
		if _, err := x.Feed(counted{t.Context(), &after}, ids[100:]); !errors.Is(err, context.Canceled) || x.Len() != 100 {
			t.Fatalf("%d tokens are read: %v", x.Len(), err)
		}
	}
	got, err := x.Feed(t.Context(), ids[100:])
	if err != nil || !slices.Equal(x.Tokens(), ids) {
		t.Fatalf("%d tokens are read: %v", x.Len(), err)
	}
	if d := furthest(got, want); d > 1e-3 {
		t.Errorf("the last logits differ by up to %.2g", d)
	}
}
