package hub

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// lock keeps others from fetching the same blob: our own processes, and huggingface_hub's.
func (f *folder) lock(ctx context.Context, oid string) (unlock func(), err error) {
	dir := path.Join(".locks", f.name)
	if err := f.store.MkdirAll(dir, 0o777); err != nil {
		return nil, f.trouble(err)
	}
	name := path.Join(dir, oid+".lock")
	file, err := f.store.OpenFile(name, os.O_RDONLY|os.O_CREATE|syscall.O_NONBLOCK, 0o664)
	if err != nil {
		return nil, f.trouble(err)
	}
	info, err := file.Stat()
	file.Close()
	if err != nil || !info.Mode().IsRegular() {
		return nil, f.refuse("../"+name, "is no regular file")
	}
	l := flock.New(filepath.Join(f.cache, name), flock.SetPermissions(0o664))
	if _, err := l.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, f.trouble(err)
	}
	return func() { l.Unlock() }, nil
}
