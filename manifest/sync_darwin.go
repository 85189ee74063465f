package manifest

import (
	"context"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// syncBatch hands the files of those names in dir to the drive. The drive's own cache is flushed by
// the journal's Sync, which follows and which Go makes F_FULLFSYNC: once a batch, since one takes
// milliseconds.
func syncBatch(ctx context.Context, dir *os.Root, names []string) error {
	return syncEach(ctx, dir, names)
}

// startWriteback does nothing: this system has no call for it.
func startWriteback(*os.File, int64, int64) {}

func flush(file *os.File) error {
	return os.NewSyscallError("fsync", unix.Fsync(int(file.Fd())))
}

// touchAt sets the time of change of a file in a folder to now.
func touchAt(dir int, base string) error {
	now, err := unix.TimeToTimespec(time.Now())
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(dir, base, []unix.Timespec{now, now}, unix.AT_SYMLINK_NOFOLLOW)
}

// changed is when anything about a file last changed, in nanoseconds.
func changed(st *syscall.Stat_t) int64 { return time.Unix(st.Ctimespec.Unix()).UnixNano() }
