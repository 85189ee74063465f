package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"

	hfhub "github.com/gomlx/go-huggingface/hub"
)

// fetch brings a repository's checkpoint files into the cache and returns the snapshot's folder.
// The library that does it takes no context: an interrupted fetch ends with the process, and what
// it had finished stays.
func fetch(ctx context.Context, s settings, r Reference) (string, error) {
	if err := reachable(ctx, s, r); err != nil {
		return "", err
	}
	type result struct {
		dir string
		err error
	}
	done := make(chan result, 1)
	go func() {
		dir, err := fetchFiles(s, r)
		done <- result{dir, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case res := <-done:
		return res.dir, res.err
	}
}

// reachable asks for the repository once, so that what stands in the way is said in words.
func reachable(ctx context.Context, s settings, r Reference) error {
	url := fmt.Sprintf("%s/api/models/%s/revision/%s", s.endpoint, r.ID, r.Revision)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s is not in the cache %s and the hub cannot be reached: give a directory, or fetch the model where there is a network: %w", r, s.cache, err)
	}
	resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized:
		return fmt.Errorf("%s: the hub wants a token (401): the model is private or gated, or there is none of that name; set HF_TOKEN", r)
	case http.StatusForbidden:
		return fmt.Errorf("%s: the token has no access (403): accept the model's licence on its page first", r)
	case http.StatusNotFound:
		return fmt.Errorf("%s: the hub knows no such model or revision (404)", r)
	}
	return fmt.Errorf("%s: the hub answered %s: try again later", r, resp.Status)
}

func fetchFiles(s settings, r Reference) (string, error) {
	repo := hfhub.New(r.ID).WithCacheDir(s.cache).WithEndpoint(s.endpoint).WithRevision(r.Revision).WithAuth(s.token)
	repo.Verbosity = 0
	var names []string
	for name, err := range repo.IterFileNames() {
		if err != nil {
			return "", fmt.Errorf("%s: listing its files: %w", r, err)
		}
		if isCheckpointFile(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", fmt.Errorf("%s holds no safetensors checkpoint", r)
	}
	var dir string
	for _, name := range names { // one by one: several at once race in the library's own counters
		path, err := repo.DownloadFile(name)
		if err != nil {
			return "", fmt.Errorf("%s: fetching %s (what is finished stays in the cache, try again): %w", r, name, err)
		}
		if err := checkDigest(path); err != nil {
			return "", err
		}
		dir = filepath.Dir(path)
	}
	return dir, nil
}

// isCheckpointFile picks what an import reads: shards, JSON and chat templates of the top folder.
func isCheckpointFile(name string) bool {
	switch path.Ext(name) {
	case ".safetensors", ".json", ".jinja":
		return !strings.Contains(name, "/")
	}
	return false
}

// checkDigest holds a fetched file to its SHA-256 where the hub tells it: large files are blobs
// named by it. A file that does not match is removed, so that the next fetch brings it again.
func checkDigest(snapshotFile string) error {
	want, known := Digest(snapshotFile)
	if !known {
		return nil
	}
	blob, err := filepath.EvalSymlinks(snapshotFile)
	if err != nil {
		return err
	}
	f, err := os.Open(blob)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		os.Remove(snapshotFile)
		os.Remove(blob)
		return fmt.Errorf("%s came damaged (SHA-256 %s, the hub says %s) and was removed: try again", snapshotFile, got, want)
	}
	return nil
}
