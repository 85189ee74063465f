package export

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"qimport/convert/source"
	"qimport/internal/killtest"
)

const (
	model = "../../testdata/qwen3.5-bf16"
	// killDir names the directory that a child of TestKilledAnywhere exports to.
	killDir = "QIMPORT_TEST_KILL_EXPORT"
)

// TestMain makes that child.
func TestMain(m *testing.M) {
	dir := os.Getenv(killDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	src, err := source.OpenDir(model)
	if err == nil {
		_, err = Directory(context.Background(), src, dir, Options{})
	}
	if err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

// exportChild is a process that exports to dir.
func exportChild(dir string) *exec.Cmd {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), killDir+"="+dir)
	return child
}

// TestKilledAnywhere kills exports at moments of chance: the directory is whole or is not there, and the
// next export to the same folder takes away what they left.
func TestKilledAnywhere(t *testing.T) {
	parent := t.TempDir()
	chance := rand.New(rand.NewPCG(2, 9))
	kills, killed := 20, 0
	if testing.Short() {
		kills = 5
	}
	span := killtest.Span(t, exportChild(filepath.Join(t.TempDir(), "out")))
	for i, moment := range killtest.Moments(span, kills, chance) {
		dir := filepath.Join(parent, "out")
		if killtest.Kill(t, exportChild(dir), moment) {
			killed++
		}
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		src, err := source.OpenDir(dir)
		if err != nil {
			t.Fatalf("kill %d left a directory that is not whole: %v", i, err)
		}
		if err := errors.Join(src.Close(), os.RemoveAll(dir)); err != nil {
			t.Fatal(err)
		}
	}
	if killed == 0 {
		t.Error("no export was killed on its way")
	}
	src, err := source.OpenDir(model)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if _, err := Directory(t.Context(), src, filepath.Join(parent, "out"), Options{}); err != nil {
		t.Fatalf("after %d kills: %v", killed, err)
	}
	if entries, err := os.ReadDir(parent); err != nil || len(entries) != 1 {
		t.Errorf("%v is left, %v", entries, err)
	}
}
