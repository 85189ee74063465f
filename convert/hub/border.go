package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"unicode"

	"qimport/arch/files"
)

// What a listing may have at most. The largest that the hub serves are far below.
const (
	maxFiles   = 10_000
	maxListing = 64 << 20 // bytes of JSON
	maxPath    = 4096     // bytes of a name with its folders
	maxName    = 255      // bytes of each part, as file systems take it
	maxShard   = 1 << 40  // bytes of one safetensors file
	maxOther   = 1 << 30  // bytes of one JSON file or template
)

var (
	commitPattern = regexp.MustCompile(`^[0-9a-f]{40}$`)
	oidPattern    = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)
)

func checkCommit(commit string) error {
	if !commitPattern.MatchString(commit) {
		return fmt.Errorf("%.80q is no commit of 40 lower-case hex digits", commit)
	}
	return nil
}

func checkOID(oid string) error {
	if !oidPattern.MatchString(oid) {
		return fmt.Errorf("%.80q is no digest of 40 or 64 lower-case hex digits", oid)
	}
	return nil
}

// checkPath takes the name of a file in a repository, its folders included.
func checkPath(name string) error {
	if name == "" {
		return errors.New("is empty")
	}
	if strings.ContainsFunc(name, unseen) {
		return fmt.Errorf("%.80q holds control or bidirectional characters", name)
	}
	if !fs.ValidPath(name) || strings.Contains(name, `\`) {
		return fmt.Errorf("%.80q is no plain path inside the repository", name)
	}
	longest := 0
	for part := range strings.SplitSeq(name, "/") {
		longest = max(longest, len(part))
	}
	if len(name) > maxPath || longest > maxName {
		return fmt.Errorf("%.80q… is too long", name)
	}
	return nil
}

// unseen are characters that make a name look like another one.
func unseen(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// isCheckpointFile picks what an import reads or carries along: shards, JSON, chat templates, and what else
// a model is shipped with, of the top folder.
func isCheckpointFile(name string) bool {
	if strings.ContainsAny(name, "/:") || strings.HasPrefix(name, ".") {
		return false
	}
	switch path.Ext(name) {
	case ".safetensors", ".json", ".jinja":
		return true
	}
	return files.IsShipped(name)
}

func checkSize(name string, size int64) error {
	limit := int64(maxOther)
	if isShard(name) {
		limit = maxShard
	}
	if size < 0 || size > limit {
		return fmt.Errorf("%d is not between 0 and %d bytes", size, limit)
	}
	return nil
}

func isShard(name string) bool { return path.Ext(name) == ".safetensors" }
