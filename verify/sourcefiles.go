package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	goruntime "runtime"

	"golang.org/x/sync/errgroup"

	"qimport/convert/safetensors"
	"qimport/convert/source"
	"qimport/internal/untrusted"
	"qimport/verify/report"
)

// SourceFiles lists a source's files for a report's provenance: the weights first, in the order of
// the inventory's shards, then the others with their digests. Weights are hashed too if asked, which
// reads all of them; else their headers are.
func SourceFiles(ctx context.Context, s *source.Source, weights bool) ([]report.SourceFile, error) {
	shards := s.Inventory().Shards
	files := make([]report.SourceFile, len(shards))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(goruntime.GOMAXPROCS(0))
	for i, shard := range shards {
		files[i] = report.SourceFile{Name: shard.Name, Bytes: shard.Size}
		g.Go(func() (err error) {
			if weights {
				files[i].SHA256, err = hashFile(ctx, shard.Path)
				return err
			}
			n, err := headerBytes(shard)
			if err == nil {
				files[i].HeaderSHA256, err = hashFirst(ctx, shard.Path, n)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, name := range s.Files() {
		b, err := s.File(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		sum := sha256.Sum256(b)
		files = append(files, report.SourceFile{Name: name, Bytes: int64(len(b)), SHA256: hex.EncodeToString(sum[:])})
	}
	return files, nil
}

// headerBytes is how long a shard's header is, with the length before it.
func headerBytes(shard source.Shard) (int64, error) {
	f, _, err := untrusted.Open(shard.Path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	first := make([]byte, 8)
	if _, err := io.ReadFull(f, first); err != nil {
		return 0, fmt.Errorf("%s: %w", shard.Path, err)
	}
	n, err := safetensors.HeaderLength(first, shard.Size)
	return int64(len(first)) + n, err
}

// hashFile is the SHA-256 of a file.
func hashFile(ctx context.Context, path string) (string, error) {
	return hashFirst(ctx, path, math.MaxInt64)
}

// hashFirst is the SHA-256 of a file's first n bytes, or of all if it has fewer.
func hashFirst(ctx context.Context, path string, n int64) (string, error) {
	f, _, err := untrusted.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(contextReader{ctx, f}, n)); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
