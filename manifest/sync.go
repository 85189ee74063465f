package manifest

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sync/errgroup"
)

// syncParallel is how many files are flushed at once. Flushes that wait together share the file
// system's commits. 10,000 files of 4 kB, ext4: one at a time 3.3 s, 4 at once 1.0 s, 16 at once
// 0.47 s, 64 at once 0.57 s.
const syncParallel = 16

// syncEach flushes every file by itself.
func syncEach(ctx context.Context, dir *os.Root, names []string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(syncParallel)
	for _, name := range names {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			file, err := dir.OpenFile(name, openToFlush, 0)
			if err != nil {
				return err
			}
			return errors.Join(flush(file), file.Close())
		})
	}
	return g.Wait()
}
