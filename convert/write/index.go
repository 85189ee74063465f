package write

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"qimport/manifest"
)

// maxIndexed is how many blobs the index remembers, the latest ones: fifty models of ten thousand
// tensors, 60 MB.
const maxIndexed = 500_000

// Index remembers which blob earlier imports made of which bytes of which file. It only says
// where to look: the store says whether the blob is there and whole. It may be removed at any time.
type Index struct {
	store Kept
	mu    sync.Mutex
	at    map[blobKey]Found
	add   []blobKey // of this run, in order
}

// Kept is where an index lies. A *manifest.Store is one.
type Kept interface {
	ReadIndex() ([]byte, error)
	UpdateIndex(change func(old []byte) []byte) error
}

// Found is the blob that the index knows for a key.
type Found struct {
	Digest manifest.Digest
	Size   int64
}

// OpenIndex reads the index of a store; none, or a damaged one, is an empty one.
func OpenIndex(store Kept) (*Index, error) {
	content, err := store.ReadIndex()
	return &Index{store: store, at: parseIndex(content)}, err
}

// parseIndex reads the lines of an index. What is no line of one is skipped.
func parseIndex(content []byte) map[blobKey]Found {
	at := map[blobKey]Found{}
	for line := range bytes.Lines(content) {
		if key, found, ok := parseIndexLine(string(line)); ok {
			at[key] = found
		}
	}
	return at
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
	if err := x.store.UpdateIndex(x.merged); err != nil {
		return fmt.Errorf("the index of blobs: %w", err)
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
