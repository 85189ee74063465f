package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// writer takes the files of an archive, in the order in which they are given.
type writer interface {
	add(name string, info fs.FileInfo, link string) (io.Writer, error)
	Close() error
}

// pack writes a folder, under its own name, as an archive. Nothing in it depends on who packs, or when.
func pack(folder, archive string, made time.Time) (err error) {
	f, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(archive)
		}
	}()
	w, err := newWriter(f, archive, made)
	if err != nil {
		return err
	}
	base := filepath.Base(folder)
	// WalkDir goes in the order of names.
	err = filepath.WalkDir(folder, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(folder, file)
		if err != nil {
			return err
		}
		return addFile(w, file, path.Join(base, filepath.ToSlash(inside)), e)
	})
	return errors.Join(err, w.Close())
}

// newWriter begins an archive of the kind that its name says.
func newWriter(to io.Writer, name string, made time.Time) (writer, error) {
	switch {
	case strings.HasSuffix(name, ".tar.gz"):
		z, err := gzip.NewWriterLevel(to, gzip.BestCompression)
		return tarGz{tar.NewWriter(z), z, made}, err
	case strings.HasSuffix(name, ".zip"):
		return zipped{zip.NewWriter(to), made}, nil
	}
	return nil, fmt.Errorf("%s is no .tar.gz and no .zip", name)
}

func addFile(w writer, file, name string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		return err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(file); err != nil {
			return err
		}
	}
	to, err := w.add(name, info, link)
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	from, err := os.Open(file)
	if err != nil {
		return err
	}
	defer from.Close()
	_, err = io.Copy(to, from)
	return err
}

// mode is that of a file in an archive: what may be run, and what not.
func mode(info fs.FileInfo) fs.FileMode {
	if info.IsDir() || info.Mode()&0o111 != 0 {
		return 0o755
	}
	return 0o644
}

type tarGz struct {
	*tar.Writer
	z    *gzip.Writer
	made time.Time
}

func (t tarGz) add(name string, info fs.FileInfo, link string) (io.Writer, error) {
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return nil, err
	}
	plain := tar.Header{Typeflag: h.Typeflag, Name: name, Linkname: link, Size: h.Size, Mode: int64(mode(info)), ModTime: t.made, Format: tar.FormatPAX}
	if info.IsDir() {
		plain.Name += "/"
	}
	return t.Writer, t.WriteHeader(&plain)
}

func (t tarGz) Close() error { return errors.Join(t.Writer.Close(), t.z.Close()) }

// zipped is for Windows, which opens no other kind by itself.
type zipped struct {
	*zip.Writer
	made time.Time
}

func (z zipped) add(name string, info fs.FileInfo, link string) (io.Writer, error) {
	if link != "" {
		return nil, fmt.Errorf("%s is a link, which a .zip for Windows cannot have", name)
	}
	h := zip.FileHeader{Name: name, Method: zip.Deflate, Modified: z.made}
	h.SetMode(mode(info))
	if info.IsDir() {
		h.Name += "/"
	}
	return z.CreateHeader(&h)
}
