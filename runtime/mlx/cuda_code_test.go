//go:build cgo

package mlx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// countingCompiler makes code that says what it was made of, and counts.
type countingCompiler struct {
	release string
	broken  error
	calls   int
}

func (c *countingCompiler) version() (string, error) { return c.release, nil }

func (c *countingCompiler) compile(source, name string, options []string) ([]byte, error) {
	c.calls++
	return fmt.Appendf(nil, "%s: %s %q by %s", name, source, options, c.release), c.broken
}

// process is what a new process makes kernels with.
func (c *countingCompiler) process(folder, arch string) *cudaCompiler {
	return &cudaCompiler{compiler: c, arch: arch, folder: func() codeFolder { return codeFolder(folder) },
		file: func(function string) string { return function + "_0" }, made: map[string]cudaCode{}}
}

// makes has p make the code of a source and expects that many calls of the compiler, and the code to be kept or given.
func (c *countingCompiler) makes(t *testing.T, p *cudaCompiler, source string, calls int, kept bool) cudaCode {
	t.Helper()
	before := c.calls
	made, err := p.code("k", source)
	if err != nil {
		t.Fatal(err)
	}
	if n := c.calls - before; n != calls {
		t.Errorf("compiled %d times, want %d", n, calls)
	}
	switch {
	case kept != (len(made.given) == 0):
		t.Errorf("given %q, want it kept: %v", made.given, kept)
	case kept && !p.folder().has(p.file(made.function), made.function):
		t.Error("the folder does not have it")
	case !kept && !strings.Contains(string(made.given), "k.cu: "+source) || !strings.HasPrefix(made.function, "qimport_k_"):
		t.Errorf("%s is given %q", made.function, made.given)
	}
	return made
}

// TestCodeIsKept: code is compiled once for a source, a GPU and a compiler, whatever the process.
func TestCodeIsKept(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "made", "when", "needed")
	c := &countingCompiler{release: "1"}
	p := c.process(folder, "sm_90")
	first := c.makes(t, p, "a", 1, true)
	functions := []string{first.function}
	c.makes(t, p, "a", 0, true)
	if again := c.makes(t, c.process(folder, "sm_90"), "a", 0, true); again.function != first.function {
		t.Errorf("%s is %s in another process", first.function, again.function)
	}
	for name, p := range map[string]*cudaCompiler{
		"another kind of GPU": c.process(folder, "sm_100"),
		"another compiler":    (&countingCompiler{release: "2"}).process(folder, "sm_90"),
	} {
		t.Run(name, func(t *testing.T) {
			functions = append(functions, p.compiler.(*countingCompiler).makes(t, p, "a", 1, true).function)
		})
	}
	functions = append(functions, c.makes(t, p, "b", 1, true).function)
	slices.Sort(functions)
	if n := len(slices.Compact(functions)); n != 4 {
		t.Errorf("4 kernels have %d names", n)
	}
	c.makes(t, c.process(folder, "sm_90"), "a", 0, true) // is still there
}

// TestCodeInMLXsFiles: they are as MLX reads them: the code as it is, and in the list what MLX calls the function.
func TestCodeInMLXsFiles(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "cache")
	c := &countingCompiler{release: "1"}
	made := c.makes(t, c.process(folder, "sm_90"), "a", 1, true)
	path := filepath.Join(folder, made.function+"_0")
	code, _ := os.ReadFile(path + ".ptx")
	want := fmt.Sprintf(`k.cu: a ["--gpu-architecture=sm_90" "-DQIMPORT_FUNCTION=%s"] by 1`, made.function)
	if string(code) != want {
		t.Errorf("the code is %q, want %q", code, want)
	}
	list, _ := os.ReadFile(path + ".txt")
	first, rest, _ := strings.Cut(string(list), "\n")
	if first != made.function+"\t"+made.function || rest == "" || strings.Contains(rest, "\t") {
		t.Errorf("the list is %q", list)
	}
	for path, mode := range map[string]os.FileMode{folder: 0o700, path + ".ptx": 0o600, path + ".txt": 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, mode)
		}
	}
}

// TestCodeThatIsNotTrusted: what was changed since it was kept is compiled and kept anew.
func TestCodeThatIsNotTrusted(t *testing.T) {
	write := func(path, content string) error { return os.WriteFile(path, []byte(content), 0o600) }
	link := func(path string) error {
		err := os.Rename(path, path+".moved")
		return errors.Join(err, os.Symlink(path+".moved", path))
	}
	for name, change := range map[string]func(code, list string) error{
		"code damaged":            func(code, _ string) error { return write(code, "k.cu: b") },
		"code cut short":          func(code, _ string) error { return os.Truncate(code, 3) },
		"code empty":              func(code, _ string) error { return os.Truncate(code, 0) },
		"code too long":           func(code, _ string) error { return os.Truncate(code, largestCode+1) },
		"code gone":               func(code, _ string) error { return os.Remove(code) },
		"list gone":               func(_, list string) error { return os.Remove(list) },
		"list cut short":          func(_, list string) error { return os.Truncate(list, 60) },
		"list without a digest":   func(_, list string) error { return write(list, "f\tf\n") },
		"code a link":             func(code, _ string) error { return link(code) },
		"list a link":             func(_, list string) error { return link(list) },
		"code writable by group":  func(code, _ string) error { return os.Chmod(code, 0o620) },
		"list writable by others": func(_, list string) error { return os.Chmod(list, 0o602) },
		"code of another user": func(code, _ string) error {
			if os.Geteuid() != 0 {
				return errors.ErrUnsupported
			}
			return os.Chown(code, 12345, -1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			c := &countingCompiler{release: "1"}
			made := c.makes(t, c.process(folder, "sm_90"), "a", 1, true)
			path := filepath.Join(folder, made.function+"_0")
			if err := change(path+".ptx", path+".txt"); errors.Is(err, errors.ErrUnsupported) {
				t.Skip("only root can give a file to another user")
			} else if err != nil {
				t.Fatal(err)
			}
			c.makes(t, c.process(folder, "sm_90"), "a", 1, true)
			c.makes(t, c.process(folder, "sm_90"), "a", 0, true)
		})
	}
}

// TestCodeWithNowhereToKeepIt: it is given to MLX, and compiled once in a process.
func TestCodeWithNowhereToKeepIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, folder := range map[string]string{"no folder": "", "none can be made": filepath.Join(file, "folder")} {
		t.Run(name, func(t *testing.T) {
			c := &countingCompiler{release: "1"}
			for range 2 {
				p := c.process(folder, "sm_90")
				c.makes(t, p, "a", 1, false)
				c.makes(t, p, "a", 0, false)
			}
		})
	}
	t.Run("the list cannot be written", func(t *testing.T) {
		folder := t.TempDir()
		c := &countingCompiler{release: "1"}
		p := c.process(folder, "sm_90")
		file := ""
		p.file = func(function string) string { file = function; return function }
		made := c.makes(t, p, "a", 1, true)
		for _, name := range []string{file + ".ptx", file + ".txt"} {
			if err := os.Remove(filepath.Join(folder, name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.MkdirAll(filepath.Join(folder, made.function+"_0.txt", "in the way"), 0o700); err != nil {
			t.Fatal(err)
		}
		c.makes(t, c.process(folder, "sm_90"), "a", 1, false)
	})
}

// TestCodeThatDoesNotCompile: the compiler's text comes back, nothing is kept, and it is tried again.
func TestCodeThatDoesNotCompile(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "cache")
	c := &countingCompiler{release: "1", broken: errors.New("k.cu(1): wrong")}
	p := c.process(folder, "sm_90")
	for range 2 {
		if _, err := p.code("k", "a"); !errors.Is(err, c.broken) {
			t.Errorf("the error is %v", err)
		}
	}
	if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) || c.calls != 2 {
		t.Errorf("compiled %d times; the folder: %v", c.calls, err)
	}
	c.broken = nil
	c.makes(t, p, "a", 1, true)
}

// TestMLXFolder: it is what MLX is told, also by the user.
func TestMLXFolder(t *testing.T) {
	t.Setenv(kernelFolder, "/somewhere")
	keepKernels("0.1", [2]int64{9, 0})
	if got := mlxFolder(); got != "/somewhere" {
		t.Errorf("the user's folder became %s", got)
	}
	if err := os.Unsetenv(kernelFolder); err != nil { // Setenv restores it
		t.Fatal(err)
	}
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HOME", cache)
	keepKernels("0.1", [2]int64{9, 0})
	if got := string(mlxFolder()); !strings.HasPrefix(got, cache) || !strings.HasSuffix(got, "/qimport/mlx-0.1-sm_90") {
		t.Errorf("the folder is %s", got)
	}
}

// TestHandOverSooner: by fifties where MLX would take a hundred, and as the user says.
func TestHandOverSooner(t *testing.T) {
	const operations = "MLX_MAX_OPS_PER_BUFFER"
	for _, c := range []struct {
		capability [2]int64
		set, want  string
	}{
		{[2]int64{9, 0}, "", "50"}, {[2]int64{10, 0}, "", "50"}, {[2]int64{12, 0}, "", "50"},
		{[2]int64{8, 0}, "", ""}, {[2]int64{8, 9}, "", ""}, {[2]int64{11, 0}, "", ""}, {[2]int64{12, 1}, "", ""},
		{[2]int64{9, 0}, "7", "7"},
	} {
		t.Setenv(operations, c.set)
		if c.set == "" {
			if err := os.Unsetenv(operations); err != nil {
				t.Fatal(err)
			}
		}
		handOverSooner(c.capability)
		if got := os.Getenv(operations); got != c.want {
			t.Errorf("%v, set to %q: %q, want %q", c.capability, c.set, got, c.want)
		}
	}
}
