package manifest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestLockOfARemovedFolder takes a lock while its holder removes the folder: what is gained must be
// the lock that the next one will meet.
func TestLockOfARemovedFolder(t *testing.T) {
	ctx := context.Background()
	root := t.TempDir()
	f := files{root: root}
	dir := filepath.Join(root, "fp")
	path := filepath.Join(dir, lockName)
	holder, err := f.acquire(ctx, path, true, 0)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(3 * lockRetry) // by then the other one has the file open
		if err := errors.Join(f.removeStaging(dir), holder.Close()); err != nil {
			t.Error(err)
		}
	}()
	gained, err := f.acquire(ctx, path, true, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer gained.Close()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the lock gained is that of a removed file: %v", err)
	}
	if _, err := f.acquire(ctx, path, true, lockRetry); !errors.Is(err, ErrLocked) {
		t.Errorf("gained twice: %v", err)
	}
}

func TestLockStopsWaiting(t *testing.T) {
	f := files{root: t.TempDir()}
	path := filepath.Join(f.root, lockName)
	for range 2 { // shared ones do not exclude each other
		shared, err := f.acquire(context.Background(), path, false, lockRetry)
		if err != nil {
			t.Fatal(err)
		}
		defer shared.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*lockRetry)
	defer cancel()
	if _, err := f.acquire(ctx, path, true, 0); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrLocked) {
		t.Errorf("when the caller gives up: %v", err)
	}
}
