package mlx

import (
	"errors"
	"os/exec"
	"testing"
)

// What uses this package is compiled against the stub in a build without cgo.
func TestStubOffersWhatThePackageDoes(t *testing.T) {
	out, err := exec.Command("go", "run", "./stubgen", "-check").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestOnlyBuildsWithoutCgoLackMLX(t *testing.T) {
	th, err := Start(CPU)
	if err == nil {
		th.Close()
	} else if !errors.Is(err, ErrNoMLX) || LiveArrays() != 0 {
		t.Errorf("start: %v", err)
	}
}
