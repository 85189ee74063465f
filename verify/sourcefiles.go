package verify

import (
	"context"
	"fmt"
	"io"
	goruntime "runtime"

	"golang.org/x/sync/errgroup"

	"qimport/convert/safetensors"
	"qimport/convert/source"
	"qimport/internal/untrusted"
	"qimport/manifest"
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
		g.Go(func() (err error) { // side by side: one core hashes slower than a disk reads
			if weights {
				files[i].SHA256, err = hashShard(ctx, shard, true)
			} else {
				files[i].HeaderSHA256, err = hashShard(ctx, shard, false)
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
		files = append(files, report.SourceFile{Name: name, Bytes: int64(len(b)), SHA256: manifest.DigestOf(b).Hex()})
	}
	return files, nil
}

// hashShard is the SHA-256 of a shard, or of its header with the length before it. The size is the
// inventory's: what was appended since is no part of what was imported.
func hashShard(ctx context.Context, shard source.Shard, whole bool) (string, error) {
	f, _, err := untrusted.Open(shard.Path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	n := shard.Size
	if !whole {
		if n, err = headerBytes(f, shard.Size); err != nil {
			return "", fmt.Errorf("%s: %w", shard.Path, err)
		}
	}
	d, err := manifest.HashReader(ctx, io.NewSectionReader(f, 0, n), n, nil)
	if err != nil {
		return "", fmt.Errorf("%s: %w", shard.Path, err)
	}
	return d.Hex(), nil
}

// headerBytes is how long the header of a shard is, with the length before it.
func headerBytes(shard io.ReaderAt, size int64) (int64, error) {
	first := make([]byte, 8)
	if _, err := shard.ReadAt(first, 0); err != nil {
		return 0, err
	}
	n, err := safetensors.HeaderLength(first, size)
	return int64(len(first)) + n, err
}
