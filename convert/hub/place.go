package hub

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// place is where the content of a snapshot's file lies.
type place struct {
	root *os.Root
	name string // in root
	size int64
	blob string // the blob that the file is a link to; "" for a file of its own
}

// place finds a snapshot's file: fs.ErrNotExist if it or its blob is missing, errRefused if it leads
// out of this repository's blobs.
func (f *folder) place(commit, name string) (place, error) {
	inside := path.Join(snapshotsDir, commit, name)
	info, err := f.root.Lstat(inside)
	if err != nil {
		return place{}, err
	}
	if info.Mode().IsRegular() { // where there are no links, huggingface_hub makes files
		return place{f.root, inside, info.Size(), ""}, nil
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		return place{}, f.refuse(inside, "is no regular file")
	}
	target, err := f.target(f.root, f.path(""), inside)
	if err != nil {
		return place{}, err
	}
	if path.Dir(target) != blobsDir || !fs.ValidPath(target) {
		return place{}, f.refuse(inside, "leads to "+target+", out of the blobs of its repository")
	}
	return f.blob(path.Base(target))
}

// blob finds a blob: a regular file, or huggingface_hub's link to the blobs that all repositories of
// the cache share.
func (f *folder) blob(oid string) (place, error) {
	inside := path.Join(blobsDir, oid)
	info, err := f.root.Lstat(inside)
	if err != nil {
		return place{}, err
	}
	if info.Mode().IsRegular() {
		return place{f.root, inside, info.Size(), oid}, nil
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		return place{}, f.refuse(inside, "is no regular file")
	}
	return f.sharedBlob(inside, oid)
}

var sharedPattern = regexp.MustCompile(`^blobs/([0-9a-f]{2})/([0-9a-f]{64})$`)

// sharedBlob finds the target of a link blobs/OID -> ../../blobs/AB/AB….
func (f *folder) sharedBlob(inside, oid string) (place, error) {
	target, err := f.target(f.store, f.cache, path.Join(f.name, inside))
	if err != nil {
		return place{}, err
	}
	outside := f.refuse(inside, "leads to "+target+", out of the cache's blobs")
	m := sharedPattern.FindStringSubmatch(target)
	if m == nil || !strings.HasPrefix(m[2], m[1]) {
		return place{}, outside
	}
	for _, dir := range []string{f.name, blobsDir, path.Join(blobsDir, m[1])} {
		if info, err := f.store.Lstat(dir); err != nil || !info.IsDir() {
			return place{}, errors.Join(outside, err)
		}
	}
	info, err := f.store.Lstat(target)
	if err != nil {
		return place{}, err
	}
	if !info.Mode().IsRegular() {
		return place{}, outside
	}
	return place{f.store, target, info.Size(), oid}, nil
}

// target is where a link in root leads, as a path in root if it does not lead out of it.
func (f *folder) target(root *os.Root, at, link string) (string, error) {
	target, err := root.Readlink(link)
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(target) {
		return path.Join(path.Dir(link), target), nil
	}
	if inside, ok := strings.CutPrefix(path.Clean(target), strings.TrimSuffix(at, "/")+"/"); ok {
		return inside, nil
	}
	return target, nil
}

// checkSnapshot refuses a snapshot in which anything leads out of the repository's blobs.
func (f *folder) checkSnapshot(commit string) error {
	inside := path.Join(snapshotsDir, commit)
	if err := f.checkFolders(inside); err != nil {
		return err
	}
	dir, err := f.root.Open(inside)
	if err != nil {
		return err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		if _, err := f.place(commit, e.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// look is how closely a file that is there is looked at.
type look bool

const (
	goBySize  look = false
	readSmall look = true // files up to readUpTo are hashed
)

// readUpTo is the size of files in which a crash or a hand may well have changed something without
// changing the size. Larger ones go by their size: reading them would double the work of an import.
const readUpTo = 64 << 20

// holds says whether a place has the size of a file and, where it is looked at, the digest.
func (p place) holds(ctx context.Context, of file, how look) (bool, error) {
	if p.size != of.Size {
		return false, nil
	}
	if how == goBySize || p.size > readUpTo {
		return true, nil
	}
	file, err := openRegular(p.root, p.name)
	if err != nil {
		return false, err
	}
	defer file.Close()
	h := newHash(of)
	if _, err := hashFile(ctx, h, file); err != nil {
		return false, err
	}
	return hex.EncodeToString(h.Sum(nil)) == of.OID, nil
}

// hasFile says whether a snapshot has a file whole: as a link to its blob, or as itself.
func (f *folder) hasFile(ctx context.Context, commit string, of file, how look) (bool, error) {
	p, err := f.place(commit, of.Name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && p.blob != "" && p.blob != of.OID {
		return false, nil
	}
	if err != nil {
		return false, f.trouble(err)
	}
	whole, err := p.holds(ctx, of, how)
	return whole, f.trouble(err)
}

// hasBlob says whether a file's blob is there, whole.
func (f *folder) hasBlob(ctx context.Context, of file) (bool, error) {
	p, err := f.blob(of.OID)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, f.trouble(err)
	}
	whole, err := p.holds(ctx, of, readSmall)
	return whole, f.trouble(err)
}
