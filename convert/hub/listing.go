package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// file is a file of a checkpoint as the hub lists it.
type file struct {
	Name string `json:"name"` // without a folder
	Size int64  `json:"size"`
	OID  string `json:"oid"` // 64 hex digits: SHA-256; 40: git's SHA-1 of a blob
}

// listing is what the hub says of one commit of a repository: the files that a checkpoint consists
// of, by name. One that is made by a parser has been checked.
type listing struct {
	Commit string `json:"commit"`
	Files  []file `json:"files"`
}

// errBadListing marks an answer of the hub that breaks the rules of the border.
var errBadListing = errors.New("the listing is refused, check HF_ENDPOINT or try again later")

// answer is the part of the hub's JSON that counts here.
type answer struct {
	SHA      string   `json:"sha"`
	Siblings siblings `json:"siblings"`
}

type sibling struct {
	Name   string `json:"rfilename"`
	Size   *int64 `json:"size"`
	BlobID string `json:"blobId"`
	LFS    *struct {
		SHA256 string `json:"sha256"`
		Size   *int64 `json:"size"`
	} `json:"lfs"`
}

type siblings []sibling

// UnmarshalJSON stops at the limit, so that 64 MiB of "{}" do not become gigabytes.
func (s *siblings) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return errors.Join(errors.New("siblings is no list"), err)
	}
	*s = nil
	for d.More() {
		if len(*s) == maxFiles {
			return fmt.Errorf("siblings has more than %d files", maxFiles)
		}
		var one sibling
		if err := d.Decode(&one); err != nil {
			return err
		}
		*s = append(*s, one)
	}
	return nil
}

// parseListing reads the answer to /api/models/ID/revision/REVISION?blobs=true. What it refuses is
// errBadListing.
func parseListing(b []byte) (listing, error) {
	var a answer
	if err := json.Unmarshal(b, &a); err != nil {
		return listing{}, fmt.Errorf("its answer is not the JSON that it should be (%.200s): %w", err, errBadListing)
	}
	l, err := a.listing()
	if err == nil {
		err = l.check()
	}
	if err != nil {
		return listing{}, fmt.Errorf("%w: %w", err, errBadListing)
	}
	return l, nil
}

// listing picks the files of a checkpoint out of all files of the repository.
func (a answer) listing() (listing, error) {
	l := listing{Commit: a.SHA}
	seen := make(map[string]bool, len(a.Siblings))
	for i, s := range a.Siblings {
		if err := checkPath(s.Name); err != nil {
			return l, fmt.Errorf("siblings[%d].rfilename %w", i, err)
		}
		if seen[s.Name] {
			return l, fmt.Errorf("siblings[%d].rfilename %.80q is listed twice", i, s.Name)
		}
		seen[s.Name] = true
		if !isCheckpointFile(s.Name) {
			continue
		}
		f, err := s.file()
		if err != nil {
			return l, fmt.Errorf("siblings[%d] (%s) %w", i, s.Name, err)
		}
		l.Files = append(l.Files, f)
	}
	return l, nil
}

func (s sibling) file() (file, error) {
	size, oid, digits := s.Size, s.BlobID, 40
	if s.LFS != nil {
		size, oid, digits = s.LFS.Size, s.LFS.SHA256, 64
	}
	if size == nil || oid == "" {
		return file{}, errors.New("has no size or no digest")
	}
	if len(oid) != digits {
		return file{}, fmt.Errorf("digest %.80q has not %d digits", oid, digits)
	}
	return file{Name: s.Name, Size: *size, OID: oid}, nil
}

// check holds a listing, whoever wrote it, to the rules of the border, and puts it in order.
func (l listing) check() error {
	if err := checkCommit(l.Commit); err != nil {
		return fmt.Errorf("sha %w", err)
	}
	if len(l.Files) > maxFiles {
		return fmt.Errorf("there are more than %d files", maxFiles)
	}
	seen := make(map[string]string, len(l.Files))
	for _, f := range l.Files {
		if err := f.check(); err != nil {
			return err
		}
		key := strings.ToLower(norm.NFC.String(f.Name)) // one file on a Mac's disk
		if other, twice := seen[key]; twice {
			return fmt.Errorf("files %q and %q have one name", other, f.Name)
		}
		seen[key] = f.Name
	}
	slices.SortFunc(l.Files, func(a, b file) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

func (f file) check() error {
	if err := checkPath(f.Name); err != nil {
		return fmt.Errorf("name %w", err)
	}
	if !isCheckpointFile(f.Name) {
		return fmt.Errorf("name %.80q is none of a checkpoint's", f.Name)
	}
	if err := checkOID(f.OID); err != nil {
		return fmt.Errorf("digest of %s: %w", f.Name, err)
	}
	if err := checkSize(f.Name, f.Size); err != nil {
		return fmt.Errorf("size of %s: %w", f.Name, err)
	}
	return nil
}

// checkCheckpoint says whether the files can be one at all.
func (l listing) checkCheckpoint() error {
	if !slices.ContainsFunc(l.Files, func(f file) bool { return isShard(f.Name) }) {
		return errors.New("it holds no safetensors checkpoint")
	}
	if !slices.ContainsFunc(l.Files, func(f file) bool { return f.Name == configName }) {
		return errors.New("it holds no " + configName + " beside its safetensors files")
	}
	return nil
}
