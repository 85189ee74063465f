package qimport

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"qimport/convert/calibration"
	"qimport/internal/killtest"
)

// TestCalibrateKilled kills calibrations at moments of chance: the file is whole or as it was, whatever the layer that
// was being written, and nothing else is left.
func TestCalibrateKilled(t *testing.T) {
	needMLX(t)
	out := filepath.Join(t.TempDir(), "calibration")
	calibrate := func(out string) *exec.Cmd {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), childCalibration+"="+out, "TMPDIR="+filepath.Dir(out))
		return c
	}
	chance := rand.New(rand.NewPCG(3, 8))
	kills, killed := 12, 0
	if testing.Short() {
		kills = 4
	}
	span := killtest.Span(t, calibrate(filepath.Join(t.TempDir(), "calibration")))
	for i, moment := range killtest.Moments(span, kills, chance) {
		if killtest.Kill(t, calibrate(out), moment) {
			killed++
		}
		if _, err := os.Stat(out); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if _, err := calibration.Read(out); err != nil {
			t.Fatalf("kill %d left a file that is not whole: %v", i, err)
		}
	}
	if killed == 0 {
		t.Error("no calibration was killed on its way")
	}
	if said, err := calibrate(out).CombinedOutput(); err != nil {
		t.Fatalf("after %d kills: %v: %s", killed, err, said)
	}
	if entries, err := os.ReadDir(filepath.Dir(out)); err != nil || len(entries) != 1 {
		t.Errorf("%v is left, %v", entries, err)
	}
}
