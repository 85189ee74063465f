package mlx_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"qimport/runtime/mlx"
)

// TestSourceOfMLXC: the archive of mlx-c's source is the one that versions names.
func TestSourceOfMLXC(t *testing.T) {
	versions := map[string]string{}
	b, err := os.ReadFile("versions")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			versions[key] = value
		}
	}
	if got := mlx.BuiltOn(); got != versions["mlxc_version"] {
		t.Errorf("the program says it is built on mlx-c %q, versions has %q", got, versions["mlxc_version"])
	}
	archive, err := os.ReadFile("mlx-c-" + versions["mlxc_version"] + ".tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(archive)
	if got := hex.EncodeToString(sum[:]); got != versions["mlxc_sha256"] {
		t.Errorf("versions has digest %s, the archive %s: run vendor.sh", versions["mlxc_sha256"], got)
	}
	wheels, err := os.ReadFile("wheels.sha256")
	if err != nil {
		t.Fatal(err)
	}
	for _, wheel := range []string{"mlx_cpu-" + versions["mlx_version"], "mlx_metal-" + versions["mlx_version"], "mlx_cuda_13-" + versions["mlx_version"], "scipy_openblas32-" + versions["openblas_version"]} {
		if !strings.Contains(string(wheels), "  "+wheel+"-") {
			t.Errorf("wheels.sha256 has no digest for %s", wheel)
		}
	}
}

// TestSetupSaysAllThatIsMissing runs setup.sh of a copy of the repository where nothing is installed.
func TestSetupSaysAllThatIsMissing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("its advice on other systems is different")
	}
	root, bin := t.TempDir(), t.TempDir()
	for _, tool := range []string{"sh", "dirname", "cat", "uname", "grep", "cksum", "sed", "tr"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(root, "runtime/mlx"), os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte("go 1.26.0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		release string
		say     []string
		not     string
	}{
		{"", []string{"Go 1.26.0", "pkg-config", "a C compiler", "C++20", "Python 3 with pip", "apt install", "QIMPORT_LIB", "CGO_ENABLED=0"}, "not found"},
		{"release.tar.gz", []string{"Go 1.26.0", "pkg-config", "a C compiler"}, "pip"},
	} {
		cmd := exec.Command(filepath.Join(root, "runtime/mlx/setup.sh"))
		cmd.Env = []string{"PATH=" + bin, "QIMPORT_LIB=" + c.release}
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Fatalf("it went on:\n%s", out)
		}
		for _, want := range c.say {
			if !strings.Contains(string(out), want) {
				t.Errorf("with QIMPORT_LIB=%q it does not say %q:\n%s", c.release, want, out)
			}
		}
		if strings.Contains(string(out), c.not) {
			t.Errorf("with QIMPORT_LIB=%q it says %q:\n%s", c.release, c.not, out)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "lib")); err == nil {
		t.Error("something was written to lib/")
	}
}
