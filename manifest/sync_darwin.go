package manifest

import (
	"context"
	"os"

	"golang.org/x/sys/unix"
)

// syncBatch hands the files of those names in dir to the drive. The drive's own cache is flushed by
// the journal's Sync, which follows and which Go makes F_FULLFSYNC: once a batch, since one takes
// milliseconds.
func syncBatch(ctx context.Context, dir string, names []string) error {
	return syncEach(ctx, dir, names)
}

// startWriteback does nothing: this system has no call for it.
func startWriteback(*os.File, int64, int64) {}

func flush(file *os.File) error {
	return os.NewSyscallError("fsync", unix.Fsync(int(file.Fd())))
}
