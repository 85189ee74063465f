package hub

import "context"

// Cached is ResolvePart without a network: what is neither a directory nor whole in the cache is an error.
func Cached(ctx context.Context, source string, part Part) (Source, error) {
	r, s, dir, err := asked(source, part)
	if err != nil {
		return Source{}, err
	}
	if dir {
		return Source{Dir: source}, nil
	}
	s.offline = true
	return resolve(ctx, s, r, nil)
}
