package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// ErrNoSpace marks a disk, or a quota, that is full or too small.
var ErrNoSpace = errors.New("not enough space")

// Space is what Preflight found.
type Space struct {
	Free   int64  // bytes that this user may still write on the store's file system
	Needed int64  // bytes asked for
	Advice string // one sentence on what will be awkward later, or ""
}

// Preflight says, without writing, whether an import of that many bytes can go into the store: the
// folders can be written, blobs, manifests and staging lie on one file system (a rename moves
// between them), and there is room. The error says what to do; it is fs.ErrPermission or ErrNoSpace
// where one of them is the cause.
func (s *Store) Preflight(bytesNeeded int64) (Space, error) {
	space := Space{Needed: bytesNeeded}
	var devices []uint64
	for _, dir := range []string{s.blobsDir(), s.manifestsDir(), s.stagingDir()} {
		existing, info, err := nearestFolder(dir)
		if err != nil {
			return space, explain(s.root, err)
		}
		if err := unix.Access(existing, unix.W_OK|unix.X_OK); err != nil {
			return space, explain(s.root, &fs.PathError{Op: "write to", Path: existing, Err: err})
		}
		devices = append(devices, uint64(info.Sys().(*syscall.Stat_t).Dev))
	}
	if devices[0] != devices[2] || devices[1] != devices[2] {
		return space, fmt.Errorf("%s, %s and %s lie on different file systems: move the whole store to one of them and point --store there",
			s.blobsDir(), s.manifestsDir(), s.root)
	}
	existing, info, err := nearestFolder(s.stagingDir())
	if err != nil {
		return space, explain(s.root, err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(existing, &st); err != nil {
		return space, fmt.Errorf("free space of %s: %w", existing, err)
	}
	space.Free = int64(st.Bavail) * int64(st.Bsize)
	space.Advice = s.ownerAdvice(info)
	if space.Free < bytesNeeded {
		return space, fmt.Errorf("%w: %s has %s free, the import needs %s: free some, or choose another store with --store",
			ErrNoSpace, s.root, humanize.Bytes(uint64(space.Free)), humanize.Bytes(uint64(bytesNeeded)))
	}
	return space, nil
}

// nearestFolder is dir, or the nearest folder above it that exists.
func nearestFolder(dir string) (string, os.FileInfo, error) {
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return dir, info, nil
	case err == nil:
		return "", nil, fmt.Errorf("%s is a file where the store needs a folder: move it away", dir)
	case errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir):
		return nearestFolder(filepath.Dir(dir))
	}
	return "", nil, err
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

// explain adds to an error of the file system what to do about it.
func explain(root string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		return fmt.Errorf("%w: %s", err, permissionAdvice(root))
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("%w: %w: free some on the disk of %s and run the same again, what is finished is kept",
			ErrNoSpace, err, root)
	}
	return err
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
