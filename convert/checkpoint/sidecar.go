package checkpoint

import (
	"regexp"
	"slices"
	"strings"
)

// sidecar is what publishers call the file of a multi-token-prediction head that they put beside a
// conversion which has lost it.
var sidecar = regexp.MustCompile(`^(?:model[-_.])?mtp.*\.safetensors$`)

// IsSidecar says whether a file is, by its name, such a head.
func IsSidecar(name string) bool { return sidecar.MatchString(name) }

// sidecars are the files of such heads that are no shards of the model's.
func sidecars(names, shards []string) []string {
	var found []string
	for _, name := range names {
		if IsSidecar(name) && !slices.Contains(shards, name) {
			found = append(found, name)
		}
	}
	return found
}

// isHead says whether a tensor is of a multi-token-prediction head, under any container.
func isHead(name string) bool {
	return strings.HasPrefix(name, "mtp.") || strings.Contains(name, ".mtp.")
}
