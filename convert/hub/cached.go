package hub

import (
	"context"
	"os"
)

// Cached is ResolvePart without a network: what is neither a directory nor whole in the cache is an error.
func Cached(ctx context.Context, source string, part Part) (Source, error) {
	if info, err := os.Stat(source); err == nil && info.IsDir() {
		return Source{Dir: source}, nil
	}
	r, err := ParseReference(source)
	if err != nil {
		return Source{}, err
	}
	r.Part = part
	s, err := settingsFromEnvironment()
	if err != nil {
		return Source{}, err
	}
	s.offline = true
	return resolve(ctx, s, r, nil)
}
