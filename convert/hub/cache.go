package hub

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"qimport/arch/files"
)

// errIncomplete marks a snapshot that lacks files, as an interrupted download leaves it.
var errIncomplete = errors.New("the cached snapshot is incomplete")

// cached is the directory of a whole snapshot in the cache, or fs.ErrNotExist, or errIncomplete.
func cached(s settings, r Reference) (string, error) {
	repo := filepath.Join(s.cache, "models--"+strings.ReplaceAll(r.ID, "/", "--"))
	commit, err := commitOf(repo, r.Revision)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(repo, "snapshots", commit)
	return dir, checkWhole(dir)
}

// commitOf resolves a revision by the notes in the cache: refs/REVISION, as huggingface_hub writes
// it, or info/REVISION, as our own fetch does. A revision that is a snapshot's name is itself.
func commitOf(repo, revision string) (string, error) {
	if _, err := os.Stat(filepath.Join(repo, "snapshots", revision)); err == nil {
		return revision, nil
	}
	if b, err := os.ReadFile(filepath.Join(repo, "refs", revision)); err == nil {
		return baseName(strings.TrimSpace(string(b)))
	}
	b, err := os.ReadFile(filepath.Join(repo, "info", revision))
	if err != nil {
		return "", fs.ErrNotExist
	}
	var info struct {
		Sha string `json:"sha"`
	}
	if err := json.Unmarshal(b, &info); err != nil {
		return "", fmt.Errorf("%s is not JSON, remove it and try again: %w", filepath.Join(repo, "info", revision), err)
	}
	return baseName(info.Sha)
}

// Digest is the SHA-256 of a file in the cache, as hex, where the cache tells it: large files are
// blobs that are named by it, and snapshots link to them. The file is not read.
func Digest(file string) (digest string, known bool) {
	blob, err := filepath.EvalSymlinks(file)
	if err != nil || filepath.Base(filepath.Dir(blob)) != "blobs" {
		return "", false
	}
	name := filepath.Base(blob)
	if b, err := hex.DecodeString(name); err != nil || len(b) != sha256.Size {
		return "", false
	}
	return name, true
}

// baseName refuses a name with which a note could lead out of the snapshots folder.
func baseName(commit string) (string, error) {
	if commit == "" || commit != filepath.Base(commit) || commit == ".." || commit == "." {
		return "", fs.ErrNotExist
	}
	return commit, nil
}

// checkWhole says whether a snapshot has its config and every shard: those that its index names,
// or any model*.safetensors. Links to blobs that are gone count as missing.
func checkWhole(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, files.Config)); err != nil {
		return errIncomplete
	}
	b, err := os.ReadFile(filepath.Join(dir, "model.safetensors.index.json"))
	if err != nil {
		shards, _ := filepath.Glob(filepath.Join(dir, "model*.safetensors"))
		if len(shards) == 0 {
			return errIncomplete
		}
		return checkFiles(dir, shards)
	}
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(b, &index); err != nil {
		return errIncomplete
	}
	var shards []string
	for _, file := range index.WeightMap {
		shards = append(shards, filepath.Join(dir, filepath.Base(file)))
	}
	return checkFiles(dir, shards)
}

func checkFiles(dir string, files []string) error {
	for _, f := range files {
		if _, err := os.Stat(f); err != nil {
			return fmt.Errorf("%w: %s", errIncomplete, strings.TrimPrefix(f, dir+"/"))
		}
	}
	return nil
}
