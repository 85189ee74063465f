package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	goruntime "runtime"

	"golang.org/x/sync/errgroup"

	"qimport/convert"
)

// SourceFiles lists a source's files for a report's provenance: the weights first, then the others
// with their digests. Weights are hashed too if asked, which reads all of them.
func SourceFiles(ctx context.Context, s *convert.Source, weights bool) ([]SourceFile, error) {
	shards := s.Inventory().Shards
	files := make([]SourceFile, len(shards))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(goruntime.GOMAXPROCS(0))
	for i, shard := range shards {
		files[i] = SourceFile{Name: shard.Name, Bytes: shard.Size}
		if !weights {
			continue
		}
		g.Go(func() error {
			var err error
			files[i].SHA256, err = hashFile(ctx, shard.Path)
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
		files = append(files, SourceFile{Name: name, Bytes: int64(len(b)), SHA256: hex.EncodeToString(sum[:])})
	}
	return files, nil
}

func hashFile(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, contextReader{ctx, f}); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
