package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"qimport/arch"
	"qimport/arch/files"
)

const (
	configName = files.Config
	indexName  = "model.safetensors.index.json"

	maxRef  = 256     // bytes of refs/REVISION
	maxNote = 4 << 20 // bytes of a note
)

// cached is what the cache has of a revision.
type cached struct {
	commit string // "" for nothing
	listed bool   // known from the hub's listing, not guessed from the files' names
	lacks  error  // what is not whole; nil where all is there, as far as is known
}

// errIncomplete marks a snapshot that lacks files, as an interrupted download leaves it.
var errIncomplete = errors.New("the cached snapshot is incomplete")

// lookUp finds a revision in the cache. Its error is of what the cache must not have.
func lookUp(ctx context.Context, s settings, r Reference) (cached, error) {
	f, err := openFolder(s.cache, r.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return cached{lacks: fs.ErrNotExist}, nil
	}
	if err != nil {
		return cached{}, err
	}
	defer f.close()
	c, err := f.cached(ctx, r)
	return c, f.trouble(err)
}

func (f *folder) cached(ctx context.Context, r Reference) (cached, error) {
	commit, err := f.commitOf(r.Revision)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errIncomplete) {
		return cached{lacks: err}, nil
	}
	if err != nil {
		return cached{}, err
	}
	if err := f.checkSnapshot(commit); errors.Is(err, fs.ErrNotExist) {
		return cached{lacks: err}, nil
	} else if err != nil {
		return cached{}, err
	}
	l, err := f.readNote(commit)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errBadNote) {
		return cached{commit: commit, lacks: r.Part.seems(f, commit)}, nil
	}
	if err != nil {
		return cached{}, err
	}
	c := cached{commit: commit, listed: true, lacks: r.Part.check(l)}
	index, _ := f.index(commit) // none, and one that cannot be read, are the same here
	part, known := r.Part.of(l, index)
	if !known {
		c.lacks = fmt.Errorf("%w: %s", errIncomplete, indexName)
	}
	lacking, err := f.lacking(ctx, part, goBySize)
	if len(lacking) > 0 {
		c.lacks = fmt.Errorf("%w: %s", errIncomplete, lacking[0].Name)
	}
	return c, err
}

// commitOf resolves a revision by what the cache says of it: refs/REVISION, as huggingface_hub and
// we write it, or info/REVISION, as our earlier library did. A commit is itself.
func (f *folder) commitOf(revision string) (string, error) {
	if checkCommit(revision) == nil {
		return revision, nil
	}
	name := path.Join("refs", revision)
	b, err := f.readFile(name, maxRef)
	if err == nil {
		return f.known(name)(parseRef(b))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	name = path.Join("info", revision)
	if b, err = f.readFile(name, maxListing); err != nil {
		return "", err
	}
	return f.known(name)(parseInfo(b))
}

// known makes what cannot be read as a commit something that a fetch will mend.
func (f *folder) known(name string) func(string, error) (string, error) {
	return func(commit string, err error) (string, error) {
		if err != nil {
			return "", fmt.Errorf("%w: %s: %w", errIncomplete, f.path(name), err)
		}
		return commit, nil
	}
}

func parseRef(b []byte) (string, error) {
	commit := strings.TrimSpace(string(b))
	return commit, checkCommit(commit)
}

func parseInfo(b []byte) (string, error) {
	var info struct {
		SHA string `json:"sha"`
	}
	if err := json.Unmarshal(b, &info); err != nil {
		return "", fmt.Errorf("it is not JSON: %w", err)
	}
	return info.SHA, checkCommit(info.SHA)
}

func notePath(commit string) string { return path.Join(oursDir, commit+".json") }

// writeNote keeps what the hub lists beside the snapshot.
func (f *folder) writeNote(l listing) error {
	b, err := l.note()
	if err != nil {
		return err
	}
	return f.trouble(f.replace(notePath(l.Commit), b))
}

// writeRef lets a revision point at a commit.
func (f *folder) writeRef(revision, commit string) error {
	if revision == commit {
		return nil
	}
	return f.trouble(f.replace(path.Join("refs", revision), []byte(commit)))
}

func (f *folder) readNote(commit string) (listing, error) {
	b, err := f.readFile(notePath(commit), maxNote)
	if err != nil {
		return listing{}, err
	}
	return parseNote(b, commit)
}

// lacking lists the files of the listing that the snapshot has not, or not whole.
func (f *folder) lacking(ctx context.Context, l listing, how look) ([]file, error) {
	var lacks []file
	for _, file := range l.Files {
		whole, err := f.hasFile(ctx, l.Commit, file, how)
		if err != nil {
			return nil, err
		}
		if !whole {
			lacks = append(lacks, file)
		}
	}
	return lacks, nil
}

// seemsWhole is the rule where nobody knows the hub's listing: the config can be read, and every
// shard is there that the index names, or any model*.safetensors where there is no index. Of a head
// those shards count that it is in.
func (f *folder) seemsWhole(commit string, head bool) error {
	if err := f.readJSON(commit, configName, &struct{}{}); err != nil {
		return err
	}
	index, err := f.index(commit)
	if errors.Is(err, fs.ErrNotExist) {
		return f.anyShard(commit)
	}
	if err != nil {
		return err
	}
	for tensor, shard := range index {
		if head && !arch.IsMTP(arch.Body(tensor)) {
			continue
		}
		if checkPath(shard) != nil || !isShard(shard) {
			return fmt.Errorf("%w: %s names a shard %.80q", errIncomplete, indexName, shard)
		}
		if _, err := f.place(commit, shard); err != nil {
			return fmt.Errorf("%w: %s", errIncomplete, shard)
		}
	}
	return nil
}

func (f *folder) anyShard(commit string) error {
	dir, err := f.root.Open(path.Join(snapshotsDir, commit))
	if err != nil {
		return fmt.Errorf("%w: %w", errIncomplete, err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("%w: %w", errIncomplete, err)
	}
	found := false
	for _, name := range names {
		if match, _ := path.Match("model*.safetensors", name); !match {
			continue
		}
		if _, err := f.place(commit, name); err != nil {
			return fmt.Errorf("%w: %s", errIncomplete, name)
		}
		found = true
	}
	if !found {
		return fmt.Errorf("%w: there is no model*.safetensors", errIncomplete)
	}
	return nil
}

// readJSON reads a small file of a snapshot into out. What is wrong with it is errIncomplete, and
// fs.ErrNotExist beside it where the file is missing.
func (f *folder) readJSON(commit, name string, out any) error {
	p, err := f.place(commit, name)
	if err == nil {
		var b []byte
		if b, err = readAtMost(p.root, p.name, maxListing); err == nil {
			err = json.Unmarshal(b, out)
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", errIncomplete, name, err)
	}
	return nil
}
