package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// limitCommand hashes the blobs of a store and writes them to DIR, over all cores, and flushes
// them: what an import of the same output cannot do without. Nothing is read from a checkpoint
// and nothing is encoded.
func limitCommand(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: bench limit STORE DIR")
	}
	blobs, err := filepath.Glob(filepath.Join(args[0], "blobs", "sha256-*"))
	if err != nil || len(blobs) == 0 {
		return fmt.Errorf("no blobs in %s", args[0])
	}
	if err := os.MkdirAll(args[1], 0o755); err != nil {
		return err
	}
	if err := copyAll(blobs, args[1]); err != nil {
		return err
	}
	return flush(args[1])
}

func copyAll(blobs []string, to string) error {
	jobs := make(chan string)
	failed := make([]error, runtime.NumCPU())
	var wg sync.WaitGroup
	for worker := range failed {
		wg.Go(func() {
			buffer := make([]byte, 8<<20)
			for blob := range jobs {
				failed[worker] = errors.Join(failed[worker], copyHashed(blob, to, buffer))
			}
		})
	}
	for _, b := range blobs {
		jobs <- b
	}
	close(jobs)
	wg.Wait()
	return errors.Join(failed...)
}

func copyHashed(blob, dir string, buffer []byte) error {
	in, err := os.Open(blob)
	if err != nil {
		return err
	}
	defer in.Close()
	h := sha256.New()
	out, err := os.Create(filepath.Join(dir, filepath.Base(blob)))
	if err != nil {
		return err
	}
	defer out.Close()
	// struct{ io.Writer } hides ReadFrom and WriteTo, so that the buffer is used
	to := struct{ io.Writer }{io.MultiWriter(h, out)}
	for at, n := int64(0), int64(len(buffer)); n == int64(len(buffer)); at += n {
		if n, err = io.CopyBuffer(to, io.LimitReader(in, int64(len(buffer))), buffer); err != nil {
			return err
		}
		startWriteback(out, at, n) // the disk works while more is being hashed, as in an import
	}
	if got := fmt.Sprintf("sha256-%x", h.Sum(nil)); got != filepath.Base(blob) {
		return fmt.Errorf("%s holds %s", blob, got)
	}
	return out.Close()
}
