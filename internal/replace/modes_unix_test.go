//go:build unix

package replace

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestModes: permissions are those asked for, under a narrow umask too, of new files and of those that take another's place.
func TestModes(t *testing.T) {
	for mode, want := range map[Mode]fs.FileMode{Private: 0o600, Public: 0o644} {
		path := filepath.Join(t.TempDir(), "file")
		for range 2 {
			if err := WriteFile(path, []byte("x"), mode); err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				t.Errorf("mode %d is %v, %v; want %v", mode, info.Mode(), err, want)
			}
		}
	}
}
