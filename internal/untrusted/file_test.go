//go:build unix

package untrusted

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// irregular makes one of each thing that a path may lead to beside a file.
func irregular(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	listener, err := net.Listen("unix", in("socket"))
	if err == nil {
		t.Cleanup(func() { listener.Close() })
		err = errors.Join(syscall.Mkfifo(in("pipe"), 0o600), os.Symlink("pipe", in("link")), os.Symlink("/dev/zero", in("zero")))
	}
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		dir: "is a directory, not a regular file", in("pipe"): "is a named pipe", in("link"): "is a named pipe",
		in("zero"): "is a device", in("socket"): "is a socket", "/dev/null": "is a device",
	}
}

// TestIrregular: what is no file is refused by its kind, at once.
func TestIrregular(t *testing.T) {
	for path, want := range irregular(t) {
		done := make(chan error, 2)
		go func() {
			_, _, err := Open(path)
			done <- err
			_, err = ReadFile(path, 1<<20)
			done <- err
		}()
		for range 2 {
			select {
			case err := <-done:
				if !errors.Is(err, ErrNotRegular) || !strings.Contains(err.Error(), path+" "+want) {
					t.Errorf("%s: %v", path, err)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%s: still waiting", path)
			}
		}
	}
}

// TestOpenNow: a pipe that took the place of a file between look and open is not waited for.
func TestOpenNow(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() {
		f, err := openNow(pipe)
		opened <- errors.Join(err, f.Close())
	}()
	select {
	case err := <-opened:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still waiting")
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, []byte("12345"), 0o600), os.Symlink("file", link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link} {
		if b, err := ReadFile(path, 5); err != nil || string(b) != "12345" {
			t.Errorf("%s: %q, %v", path, b, err)
		}
	}
	if _, err := ReadFile(file, 4); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "5 bytes, more than the 4") {
		t.Errorf("too large: %v", err)
	}
	if _, err := ReadFile(filepath.Join(dir, "none"), 4); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	f, info, err := Open(file)
	if err != nil || info.Size() != 5 {
		t.Fatal(info, err)
	}
	defer f.Close()
	if b, err := io.ReadAll(f); err != nil || string(b) != "12345" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestReadAll(t *testing.T) {
	if b, err := ReadAll(strings.NewReader("12345"), "stdin", 5); err != nil || string(b) != "12345" {
		t.Errorf("%q, %v", b, err)
	}
	endless, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	defer endless.Close()
	if _, err := ReadAll(endless, "stdin", 1<<20); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

// TestGuard: a file that is cut short while it is mapped is an error, also for the copying
// instructions of the runtime, and other panics stay what they are.
func TestGuard(t *testing.T) {
	const size = 1 << 20
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(m)
	read := func() error { copy(make([]byte, size), m); return io.EOF }
	if err := Guard(read); err != io.EOF {
		t.Errorf("a whole file: %v", err)
	}
	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		var fault *Fault
		if err := Guard(read); !errors.As(err, &fault) {
			t.Fatalf("a file cut short: %v", err)
		}
	}
	defer func() {
		if p := recover(); p != "mine" {
			t.Errorf("recovered %v", p)
		}
	}()
	_ = Guard(func() error { panic("mine") })
}
