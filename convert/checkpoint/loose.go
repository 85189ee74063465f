package checkpoint

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var numbered = regexp.MustCompile(`^(model.*)-(\d+)-of-(\d+)\.safetensors$`)

// loose picks the shards of a directory that has no index: model*.safetensors, either one file or
// a whole set of numbered ones.
func loose(names []string) ([]string, error) {
	var shards, heads, others []string
	for _, name := range names {
		switch {
		case IsSidecar(name): // beside shards, and no model alone
			heads = append(heads, name)
		case strings.HasPrefix(name, "model") && strings.HasSuffix(name, extension):
			shards = append(shards, name)
		case strings.HasSuffix(name, extension), slices.Contains(otherForms(), path.Ext(name)):
			others = append(others, name)
		}
	}
	if others = append(others, heads...); len(shards) == 0 && len(others) > 0 {
		return nil, fmt.Errorf("no model*%s here, which qimport reads, only %s: %w", extension, strings.Join(others, ", "), ErrBadCheckpoint)
	}
	if len(shards) == 0 {
		return nil, fmt.Errorf("no model*%s here: %w", extension, ErrBadCheckpoint)
	}
	if whole := "model" + extension; len(shards) > 1 && slices.Contains(shards, whole) {
		return nil, fmt.Errorf("both %s and %s are here, and no index says which to take: remove one: %w", whole, shards[0], ErrBadCheckpoint)
	}
	return shards, checkNumbers(shards)
}

// otherForms are the suffixes of files that hold weights in forms that qimport does not read.
func otherForms() []string { return []string{".gguf", ".bin", ".pt", ".pth", ".npz"} }

// checkNumbers finds gaps in a set such as model-00001-of-00003.safetensors.
func checkNumbers(shards []string) error {
	have := map[string]bool{}
	for _, name := range shards {
		have[name] = true
	}
	for _, name := range shards {
		m := numbered.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		total, err := strconv.Atoi(m[3])
		if err != nil || total > 100_000 {
			return fmt.Errorf("%s is one of too many shards: %w", name, ErrBadCheckpoint)
		}
		for i := 1; i <= total; i++ {
			want := fmt.Sprintf("%s-%0*d-of-%s%s", m[1], len(m[2]), i, m[3], extension)
			if !have[want] {
				return fmt.Errorf("%s is here, but %s is not: fetch the checkpoint again: %w", name, want, ErrBadCheckpoint)
			}
		}
	}
	return nil
}
