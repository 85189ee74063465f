// Package killtest kills the children of tests on their way. It knows nothing of what they do.
package killtest

import (
	"math/rand/v2"
	"os/exec"
	"testing"
	"time"
)

// Span is how long a child takes that nobody kills. It must end well.
func Span(t testing.TB, child *exec.Cmd) time.Duration {
	t.Helper()
	began := time.Now()
	if said, err := child.CombinedOutput(); err != nil {
		t.Fatalf("a child that nobody kills: %v: %s", err, said)
	}
	return time.Since(began)
}

// Moments are n moments of chance within a span, one in each n-th of it, in their order: however fast the
// machine is, the first come before a child has ended, and the last when it has done most of its work.
func Moments(span time.Duration, n int, chance *rand.Rand) []time.Duration {
	at := make([]time.Duration, n)
	for i := range at {
		at[i] = (time.Duration(i)*span + time.Duration(chance.Int64N(int64(span)))) / time.Duration(n)
	}
	return at
}

// Kill starts a child and kills it after so long. It says whether the child had not ended by then.
func Kill(t testing.TB, child *exec.Cmd, after time.Duration) bool {
	t.Helper()
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	child.Process.Kill() // an error says that it has ended
	child.Wait()
	return child.ProcessState.ExitCode() == -1 // by a signal
}
