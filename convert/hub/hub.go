package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Source is where a named source was found.
type Source struct {
	Dir      string // the checkpoint's directory
	Repo     string // "org/name", "" for a directory of the user's
	Revision string // as asked for
	Commit   string // the snapshot's commit, "" for a directory of the user's
}

// Resolve finds the checkpoint that a user names: a directory as it is, else "org/name[@revision]".
// A snapshot of the cache that is known to be whole is taken without asking the network; otherwise
// what is missing of it is fetched into the cache, and held to the hub's sizes and digests. Progress,
// if there is one, is told of the bytes of a fetch, by one goroutine at a time. Resolve reads HF_HOME,
// HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HUB_OFFLINE and XDG_CACHE_HOME.
func Resolve(ctx context.Context, source string, progress func(done, total int64)) (Source, error) {
	return ResolvePart(ctx, source, Whole, progress)
}

// ResolvePart is Resolve where only a part of the files is needed: no others are fetched. A directory is
// taken as it is.
func ResolvePart(ctx context.Context, source string, part Part, progress func(done, total int64)) (Source, error) {
	r, s, dir, err := asked(source, part)
	if err != nil {
		return Source{}, err
	}
	if dir {
		return Source{Dir: source}, nil
	}
	return resolve(ctx, s, r, progress)
}

// asked is what is to be looked for, and how: nothing where the source is a directory.
func asked(source string, part Part) (r Reference, s settings, dir bool, err error) {
	info, err := os.Stat(source)
	if err == nil && info.IsDir() {
		return r, s, true, nil
	}
	if err == nil {
		return r, s, false, fmt.Errorf("source %s is a file: name the directory that it lies in", source)
	}
	if r, err = ParseReference(source); err != nil {
		return r, s, false, err
	}
	r.Part = part
	s, err = settingsFromEnvironment()
	return r, s, false, err
}

func resolve(ctx context.Context, s settings, r Reference, progress func(done, total int64)) (Source, error) {
	c, err := lookUp(ctx, s, r)
	switch {
	case err != nil:
		return Source{}, fmt.Errorf("%s: %w", r, err)
	case c.lacks == nil && (c.listed || s.offline):
		return s.found(r, c.commit), nil
	case s.offline:
		return Source{}, fmt.Errorf("%s is not whole in the cache %s and HF_HUB_OFFLINE is set: unset it, or fetch the model first: %w", r, s.cache, c.lacks)
	}
	commit, err := fetch(ctx, s, r, c, progress)
	if errors.As(err, new(unanswered)) && c.lacks == nil {
		return s.found(r, c.commit), nil // nobody can tell more than the files' names do
	}
	if err != nil {
		return Source{}, s.hideToken(err)
	}
	return s.found(r, commit), nil
}

func (s settings) found(r Reference, commit string) Source {
	dir := filepath.Join(s.cache, folderName(r.ID), snapshotsDir, commit)
	return Source{Dir: dir, Repo: r.ID, Revision: r.Revision, Commit: commit}
}

// hideToken keeps the token out of errors, also where a hub says it back.
func (s settings) hideToken(err error) error {
	if text := err.Error(); s.token != "" && strings.Contains(text, s.token) {
		return errors.New(strings.ReplaceAll(text, s.token, "(the token)"))
	}
	return err
}
