package write

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"

	"qimport/internal/untrusted"
	"qimport/manifest"
)

// maxIndexed is how many blobs the index remembers, the latest ones: fifty models of ten thousand
// tensors, 60 MB.
const maxIndexed = 500_000

// Index remembers which blob earlier imports made of which bytes of which file. It only says
// where to look: whoever asks checks that the blob is there and has its size, and blobs are named by
// what is in them. It may be removed at any time.
type Index struct {
	path string
	mu   sync.Mutex
	at   map[blobKey]Found
	add  []blobKey // of this run, in order
}

// Found is the blob that the index knows for a key.
type Found struct {
	Digest manifest.Digest
	Size   int64
}

// maxIndex bounds the index in bytes, which Save keeps far below.
const maxIndex = 256 << 20

// readIndex is the index's text; none, or what is no index by its kind or size, is empty.
func readIndex(path string) ([]byte, error) {
	content, err := untrusted.ReadFile(path, maxIndex)
	for _, none := range []error{fs.ErrNotExist, untrusted.ErrNotRegular, untrusted.ErrTooLarge} {
		if errors.Is(err, none) {
			return nil, nil
		}
	}
	return content, err
}

// OpenIndex reads the index at path; none, or a damaged one, is an empty one.
func OpenIndex(path string) (*Index, error) {
	x := &Index{path: path, at: map[blobKey]Found{}}
	content, err := readIndex(path)
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(content) {
		if key, found, ok := parseIndexLine(string(line)); ok {
			x.at[key] = found
		}
	}
	return x, nil
}

// Find is the blob of a key, if the index knows one.
func (x *Index) Find(key blobKey) (Found, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f, ok := x.at[key]
	return f, ok
}

// Add remembers the blob of a key, for Save.
func (x *Index) Add(key blobKey, l manifest.Layer) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.at[key] = Found{l.Digest, l.Size}
	x.add = append(x.add, key)
}

// Save writes the index: what is in the file by now, other processes' too, then what this run added.
func (x *Index) Save() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.add) == 0 {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(x.path), 0o755); err != nil {
		return err
	}
	lock := flock.New(x.path + ".lock")
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("the index of blobs %s: %w", x.path, err)
	}
	defer lock.Close()
	old, err := readIndex(x.path)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(x.path, x.merged(old), 0o644); err != nil {
		return fmt.Errorf("the index of blobs %s: %w", x.path, err)
	}
	x.add = nil
	return nil
}

// merged is the text of the index: old lines that were not written anew, then new ones, the last
// maxIndexed of them.
func (x *Index) merged(old []byte) []byte {
	fresh := map[blobKey]bool{}
	for _, key := range x.add {
		fresh[key] = true
	}
	var lines []string
	for line := range bytes.Lines(old) {
		if key, _, ok := parseIndexLine(string(line)); ok && !fresh[key] {
			lines = append(lines, string(line))
		}
	}
	for _, key := range x.add {
		if fresh[key] {
			fresh[key] = false
			lines = append(lines, indexLine(key, x.at[key]))
		}
	}
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	for _, line := range lines[max(0, len(lines)-maxIndexed):] {
		w.WriteString(line)
	}
	w.Flush()
	return out.Bytes()
}

// indexLine is "<key> <digest> <size>" and a newline.
func indexLine(key blobKey, f Found) string {
	return fmt.Sprintf("%s %s %d\n", key, f.Digest, f.Size)
}

func parseIndexLine(line string) (key blobKey, f Found, ok bool) {
	fields := strings.Fields(line)
	if len(fields) != 3 || !strings.HasSuffix(line, "\n") || len(fields[0]) != 2*len(key) {
		return key, f, false
	}
	if _, err := hex.Decode(key[:], []byte(fields[0])); err != nil {
		return key, f, false
	}
	d, err := manifest.ParseDigest(fields[1])
	if err != nil {
		return key, f, false
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	return key, Found{d, size}, err == nil && size >= 0
}
