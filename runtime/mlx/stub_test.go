package mlx

import (
	"os/exec"
	"testing"
)

// The stub must offer what the real package does: vet compiles each package against it.
func TestStubIsUpToDate(t *testing.T) {
	out, err := exec.Command("go", "run", "./stubgen", "-check").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
