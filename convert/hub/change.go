package hub

import (
	"crypto/rand"
	"errors"
	"os"
	"path"

	"qimport/internal/replace"
)

// replace gives name new content in one rename, once it is on the disk.
func (f *folder) replace(name string, content []byte) error {
	if err := f.root.MkdirAll(path.Dir(name), 0o777); err != nil {
		return err
	}
	temp := f.tempName()
	file, err := f.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = f.root.Rename(temp, name)
	}
	if err != nil {
		f.root.Remove(temp)
	}
	return err
}

func (f *folder) tempName() string { return path.Join(oursDir, "."+rand.Text()) }

// link makes a snapshot's file a link to its blob, whatever it was.
func (f *folder) link(commit string, of file) error {
	temp := f.tempName()
	err := f.root.Symlink("../../blobs/"+of.OID, temp)
	if err == nil {
		err = f.root.Rename(temp, path.Join(snapshotsDir, commit, of.Name))
	}
	if err != nil {
		f.root.Remove(temp)
	}
	return f.trouble(err)
}

func (f *folder) makeSnapshot(commit string) error {
	return f.trouble(f.root.MkdirAll(path.Join(snapshotsDir, commit), 0o777))
}

// syncFolders flushes names to the disk.
func (f *folder) syncFolders(names ...string) error {
	for _, name := range names {
		dir, err := f.root.Open(name)
		if err != nil {
			return f.trouble(err)
		}
		if err := errors.Join(replace.SyncNames(dir), dir.Close()); err != nil {
			return f.trouble(err)
		}
	}
	return nil
}
