//go:build unix

package manifest

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPreflight(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "not", "yet"))
	space, err := s.Preflight(1 << 10)
	if err != nil || space.Free <= 0 || space.Needed != 1<<10 {
		t.Errorf("%+v, %v", space, err)
	}
	if _, err := s.Preflight(1 << 62); !errors.Is(err, ErrNoSpace) || !strings.Contains(err.Error(), "--store") {
		t.Errorf("4 EB fit: %v", err)
	}
}

func TestCheckRoom(t *testing.T) {
	if err := CheckRoom(t.TempDir(), 1<<10); err != nil {
		t.Error(err)
	}
	if err := CheckRoom(t.TempDir(), 1<<62); !errors.Is(err, ErrNoSpace) {
		t.Errorf("4 EB fit: %v", err)
	}
}

func TestPreflightFindsAFileInTheWay(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "blobs"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(t, root).Preflight(0); err == nil || !strings.Contains(err.Error(), "blobs") {
		t.Errorf("got %v", err)
	}
	if _, err := Open(filepath.Join(root, "blobs")); err == nil {
		t.Error("a file is taken for a store")
	}
}

func TestPreflightFindsAnotherFileSystem(t *testing.T) {
	other, err := os.MkdirTemp("/dev/shm", "qimport")
	if err != nil {
		t.Skipf("no second file system: %v", err)
	}
	defer os.RemoveAll(other)
	root := t.TempDir()
	if err := os.Symlink(other, filepath.Join(root, "blobs")); err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(t, root).Preflight(0); err == nil || !strings.Contains(err.Error(), "different file systems") {
		t.Errorf("got %v", err)
	}
}

const childForeign = "QIMPORT_TEST_FOREIGN_STORE"

// TestForeignChild runs as another user than the one whose store it looks at.
func TestForeignChild(t *testing.T) {
	root := os.Getenv(childForeign)
	if root == "" {
		t.Skip("not a child")
	}
	s := openStore(t, root)
	_, preflight := s.Preflight(0)
	_, stage := s.Stage("fp")
	for what, err := range map[string]error{"Preflight": preflight, "Stage": stage} {
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "sudo chown -R nobody "+root) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, dir := range []string{"closed", filepath.Join("closed", "within")} { // they cannot even be looked at
		if _, err := openStore(t, filepath.Join(root, dir)).Preflight(0); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// copySelf makes a copy of this test that other users can run.
func copySelf(path string) error {
	program, err := os.ReadFile(os.Args[0])
	if err != nil {
		return err
	}
	return os.WriteFile(path, program, 0o755)
}

func TestForeignStore(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become somebody else")
	}
	const nobody = 65534
	root, err := os.MkdirTemp("/tmp", "qimport-foreign")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(root)
	self := filepath.Join(root, "test")
	if err := errors.Join(os.Chmod(root, 0o755), os.Mkdir(filepath.Join(root, "closed"), 0o700), copySelf(self)); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self, "-test.run=^TestForeignChild$")
	child.Dir = "/"
	child.Env = append(os.Environ(), childForeign+"="+root)
	child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}

	if err := os.Chown(root, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if space, err := openStore(t, root).Preflight(0); err != nil || !strings.Contains(space.Advice, "sudo chown -R nobody:nogroup "+root) {
		t.Errorf("root in the store of nobody: %+v, %v", space, err)
	}
}

func TestFullDisk(t *testing.T) {
	s := openStore(t, t.TempDir())
	st := openStage(t, s, "fp")
	s.files.before = func(op step, path string) error {
		if op == stepWrite {
			return explain(s.root, &fs.PathError{Op: "write", Path: path, Err: unix.ENOSPC})
		}
		return nil
	}
	_, err := st.Put("a", MediaTypeTensor, "a", []byte("too much"))
	if !errors.Is(err, ErrNoSpace) || !errors.Is(err, unix.ENOSPC) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want ErrNoSpace in one sentence", err)
	}
	if n := countFiles(t, st.dir); n != 1 {
		t.Errorf("%d files are left in staging, want the lock", n)
	}
}

// TestFoldersAreAsOpenAsTheStore: whatever the umask, the user that Ollama runs as can read what is
// beside what it can read already.
func TestFoldersAreAsOpenAsTheStore(t *testing.T) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	root := t.TempDir()
	if err := os.Chmod(root, 0o775); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, root)
	put(t, s, "me/m", versionOne)
	for dir := filepath.Dir(s.manifestPath(mustName(t, "me/m"))); dir != root; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o775 {
			t.Errorf("%s has mode %v, %v", dir, info.Mode(), err)
		}
	}
	for _, path := range []string{s.manifestPath(mustName(t, "me/m")), s.Blob(DigestOf([]byte("{}")))} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
		}
	}
	space, err := openStore(t, filepath.Join(root, "new")).Preflight(0)
	if err != nil || !strings.Contains(space.Advice, "umask 0077") {
		t.Errorf("of a new store: %+v, %v", space, err)
	}
}
