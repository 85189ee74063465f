//go:build unix

package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// mayWriteIn says why this user cannot make files in a folder, if so.
func mayWriteIn(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }

// deviceOf names the file system that a folder lies on.
func deviceOf(_ string, info os.FileInfo) string {
	return strconv.FormatUint(uint64(info.Sys().(*syscall.Stat_t).Dev), 10)
}

// freeBytes is what this user may still write on the file system of a folder.
func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	err := unix.Statfs(dir, &st)
	return int64(st.Bavail) * int64(st.Bsize), err
}

// ownerAdvice is what the store's owner, or Ollama, could not do with what this user writes.
func (s *Store) ownerAdvice(info os.FileInfo) string {
	if _, err := os.Stat(s.root); errors.Is(err, fs.ErrNotExist) {
		if mask := umask(); mask&0o055 != 0 {
			return fmt.Sprintf("the umask %04o keeps other users out of the new store %s: an Ollama that runs as a user of its own reads it after: chmod 755 %s, and the folders in it", mask, s.root, s.root)
		}
		return ""
	}
	st := info.Sys().(*syscall.Stat_t)
	if os.Geteuid() == int(st.Uid) {
		return ""
	}
	owner := ownerOf(st)
	return fmt.Sprintf("the new files will belong to %s, the store to %s, who can read but perhaps not remove them: run it as that user, or afterwards: sudo chown -R %s %s",
		me(), owner, owner, s.root)
}

// umask is what the permissions of new files lack, where the system tells: to ask for it otherwise
// is to change it for a moment.
func umask() fs.FileMode {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "\nUmask:\t")
	mask, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseUint(mask, 8, 32)
	if err != nil {
		return 0
	}
	return fs.FileMode(n)
}

func permissionAdvice(root string) string {
	_, info, err := nearestFolder(root)
	if err != nil || errors.Is(unix.Access(root, unix.W_OK), unix.EROFS) {
		return "the store " + root + " cannot be read or written by this user: choose another with --store"
	}
	st := info.Sys().(*syscall.Stat_t)
	if os.Geteuid() == int(st.Uid) {
		return fmt.Sprintf("the store %s belongs to this user, but something in it does not, or its permissions are too narrow: sudo chown -R %s %s; chmod -R u+rwX %s", root, me(), root, root)
	}
	return fmt.Sprintf("the store %s belongs to %s: run this as that user, or choose another with --store; to take it over, if no Ollama runs as that user: sudo chown -R %s %s",
		root, ownerOf(st), me(), root)
}

// ownerOf is "user:group" of a file, as numbers where they have no names.
func ownerOf(st *syscall.Stat_t) string {
	uid, gid := strconv.Itoa(int(st.Uid)), strconv.Itoa(int(st.Gid))
	if u, err := user.LookupId(uid); err == nil {
		uid = u.Username
	}
	if g, err := user.LookupGroupId(gid); err == nil {
		gid = g.Name
	}
	return uid + ":" + gid
}

func me() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}
