package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSameBytes: an archive depends on names, contents and what may be run, and on nothing else.
func TestSameBytes(t *testing.T) {
	for _, end := range []string{".tar.gz", ".zip"} {
		var first []byte
		for i, mode := range []os.FileMode{0o755, 0o700} {
			dir := t.TempDir()
			folder := filepath.Join(dir, "release")
			for _, name := range []string{"b/program", "a"} {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(folder, name), []byte(name), mode); err != nil {
					t.Fatal(err)
				}
				then := time.Unix(int64(1000*i), 0)
				if err := os.Chtimes(filepath.Join(folder, name), then, then); err != nil {
					t.Fatal(err)
				}
			}
			archive := filepath.Join(dir, "release"+end)
			if err := pack(folder, archive, time.Unix(1e9, 0).UTC()); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(archive)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = b
			} else if !bytes.Equal(b, first) {
				t.Errorf("%s: two archives of the same files differ", end)
			}
		}
	}
}

func TestJudge(t *testing.T) {
	program := func(o object) []object {
		o.path = "bin/qimport"
		return []object{o, {path: "lib/libmlxc.so", rpath: []string{"$ORIGIN", "$ORIGIN/mlx/lib"}, needs: []string{"libmlx.so", "libc.so.6"}}, {path: "lib/mlx/lib/libmlx.so"}}
	}
	for _, c := range []struct {
		name  string
		of    object
		fault string
	}{
		{"all there", object{needs: []string{"libmlxc.so"}, rpath: []string{"$ORIGIN/../lib"}}, ""},
		{"on a Mac", object{needs: []string{"@rpath/libmlxc.so", "/usr/lib/libSystem.B.dylib"}, rpath: []string{"@executable_path/../lib"}}, ""},
		{"in no place where it looks", object{needs: []string{"libmlxc.so"}, rpath: []string{"$ORIGIN"}}, "bin/qimport needs libmlxc.so"},
		{"nobody's", object{needs: []string{"libother.so.1"}}, "bin/qimport needs libother.so.1"},
		{"the builder's folder", object{needs: []string{"libmlxc.so"}, rpath: []string{"$ORIGIN/../lib", "/work/lib"}}, "bin/qimport looks for libraries in /work/lib"},
		{"on Windows", object{needs: []string{"kernel32.dll"}}, ""},
		{"a library of nobody's on Windows", object{needs: []string{"other.dll"}}, "bin/qimport needs other.dll"},
		{"a symbol that is not there", object{loose: []string{"it looks _x up in @rpath/libmlx.dylib"}}, "bin/qimport: it looks _x up"},
	} {
		err := judge(program(c.of), io.Discard)
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.fault)
		}
	}
}

func TestCompleteSBOM(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sbom.json")
	notices := filepath.Join(filepath.Dir(file), "notices.md")
	for name, text := range map[string]string{
		file:    `{"bomFormat":"CycloneDX","serialNumber":"urn:uuid:1","metadata":{"timestamp":"now"},"components":[{"name":"example.org/a"}]}`,
		notices: "| module | licence | copyright |\n|---|---|---|\n| `example.org/a` | BSD-3-Clause | someone |\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := completeSBOM(file, notices, []string{"pypi:mlx-cpu=0.32.2=MIT"}, time.Unix(0, 0).UTC()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"pkg:pypi/mlx-cpu@0.32.2"`, `"id": "MIT"`, `"1970-01-01T00:00:00Z"`, `"name": "example.org/a"`, `"id": "BSD-3-Clause"`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("there is no %s in %s", want, b)
		}
	}
	if strings.Contains(string(b), "serialNumber") {
		t.Error("it has a serial number still")
	}
	if err := completeSBOM(file, notices, nil, time.Unix(0, 0)); err == nil {
		t.Error("a module that has no licence in the notices is taken: mlx-cpu")
	}
	if _, err := readComponent("mlx-cpu"); err == nil {
		t.Error("a component without version and licence is taken")
	}
}
