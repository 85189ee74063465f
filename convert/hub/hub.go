package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Source is where a named source was found.
type Source struct {
	Dir      string // the checkpoint's directory
	Repo     string // "org/name", "" for a directory of the user's
	Revision string // as asked for
	Commit   string // the snapshot's commit, "" for a directory of the user's
}

// Resolve finds the checkpoint that a user names: a directory as it is, else "org/name[@revision]".
// A whole snapshot in the cache is taken without asking the network; otherwise the files that a
// checkpoint consists of are fetched into the cache and held to the hub's digests. It reads
// HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH and HF_HUB_OFFLINE.
func Resolve(ctx context.Context, source string) (Source, error) {
	info, err := os.Stat(source)
	if err == nil && info.IsDir() {
		return Source{Dir: source}, nil
	}
	if err == nil {
		return Source{}, fmt.Errorf("source %s is a file: name the directory that holds config.json and the shards", source)
	}
	r, err := ParseReference(source)
	if err != nil {
		return Source{}, err
	}
	s, err := settingsFromEnvironment()
	if err != nil {
		return Source{}, err
	}
	dir, err := cached(s, r)
	if missing := errors.Is(err, fs.ErrNotExist) || errors.Is(err, errIncomplete); missing {
		if s.offline {
			return Source{}, fmt.Errorf("%s is not whole in the cache %s and HF_HUB_OFFLINE is set: unset it, or fetch the model first", r, s.cache)
		}
		dir, err = fetch(ctx, s, r)
	}
	if err != nil {
		return Source{}, err
	}
	return Source{Dir: dir, Repo: r.ID, Revision: r.Revision, Commit: filepath.Base(dir)}, nil
}
