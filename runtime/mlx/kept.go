//go:build cgo

package mlx

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"qimport/internal/replace"
	"qimport/internal/untrusted"
)

// codeFolder is where MLX looks for a compiled kernel before it asks for its code. It reads NAME.ptx, which has
// the code, and NAME.txt, a line for each function: what MLX calls it, a tab, and its name in the code. Ours end
// with a line without a tab, which MLX passes over: the code's digest.
type codeFolder string

// errNotKept says that the folder has no such code that can be trusted.
var errNotKept = errors.New("no such code is kept")

// largestCode is more than any kernel takes, in bytes.
const largestCode = 16 << 20

// has says whether the files of that name hold code that was kept under it, with that function. Anything else
// there (files cut short, damaged, of others or writable by them, links) is not taken, and replaced by keep.
func (f codeFolder) has(name, function string) bool {
	code, err := f.read(name + ".ptx")
	if err != nil {
		return false
	}
	list, err := f.read(name + ".txt")
	return err == nil && bytes.Equal(list, codeList(function, code))
}

// read is the whole of a file, if others have no say in it.
func (f codeFolder) read(name string) ([]byte, error) {
	if f == "" {
		return nil, errNotKept
	}
	path := filepath.Join(string(f), name)
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Mode()&0o022 != 0 || !ours(info) {
		return nil, errNotKept
	}
	return untrusted.ReadFile(path, largestCode)
}

// ours says whether a file is the user's, or root's, who may have filled the folder for all.
func ours(info os.FileInfo) bool {
	system, ok := info.Sys().(*syscall.Stat_t)
	return ok && (system.Uid == 0 || int(system.Uid) == os.Geteuid())
}

// keep puts code with that function in place, the list last, without which has does not take it.
func (f codeFolder) keep(name, function string, code []byte) error {
	if f == "" {
		return errNotKept
	}
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return err
	}
	path := filepath.Join(string(f), name)
	if err := replace.WriteFile(path+".ptx", code, replace.Private); err != nil {
		return err
	}
	return replace.WriteFile(path+".txt", codeList(function, code), replace.Private)
}

// codeList is the list of a code with one function.
func codeList(function string, code []byte) []byte {
	return fmt.Appendf(nil, "%s\t%s\n%x\n", function, function, sha256.Sum256(code))
}
