package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSignature: a program for a Mac as Go's linker signs it, with a byte changed, and without its end.
func TestSignature(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles Go's runtime for another system")
	}
	dir := t.TempDir()
	source, program := filepath.Join(dir, "p.go"), filepath.Join(dir, "p")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", program, source)
	build.Env = append(os.Environ(), "GOOS=darwin", "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(b), "go:buildid", "go:bulidid", 1)
	if changed == string(b) {
		changed = strings.Replace(string(b), "runtime.main", "runtime.mian", 1)
	}
	for _, c := range []struct{ name, text, fault string }{
		{"as it was linked", string(b), ""},
		{"changed", changed, "is not the one that was signed"},
		{"cut", string(b[:len(b)-100]), "its signature cannot be read"},
	} {
		o, err := readMachO(strings.NewReader(c.text))
		if err != nil {
			t.Fatal(c.name, err)
		}
		if got := strings.Join(o.loose, "; "); (got == "") != (c.fault == "") || !strings.Contains(got, c.fault) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.fault)
		}
		if len(o.needs) == 0 || o.wants["macOS"] == "" {
			t.Errorf("%s: it loads %v and wants %v", c.name, o.needs, o.wants)
		}
	}
}
