package ollama

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/semver"
)

// Version is a version of Ollama as it writes it: "0.32.15".
type Version string

const (
	// Newest is the newest version whose source the table was read from. What came later is taken to be as
	// that one.
	Newest Version = "0.32.15"
	// Least is the oldest version for which `ollama create` writes models of this form.
	Least Version = "0.19.0"
)

// ErrVersion marks a text that is no version of Ollama.
var ErrVersion = errors.New("no version of Ollama")

// ParseVersion reads a version, with or without a v before it.
func ParseVersion(s string) (Version, error) {
	v := "v" + strings.TrimPrefix(strings.TrimSpace(s), "v")
	if len(s) > 64 || !semver.IsValid(v) {
		return "", fmt.Errorf("%.64q is %w, such as %s", s, ErrVersion, Newest)
	}
	return Version(strings.TrimPrefix(v, "v")), nil
}

// Before says whether a version is older than another. A candidate for a release counts as the release.
func (v Version) Before(other Version) bool { return v.compare(other) < 0 }

func (v Version) compare(other Version) int { return semver.Compare(release(v), release(other)) }

func release(v Version) string {
	s := semver.Canonical("v" + string(v))
	return strings.TrimSuffix(s, semver.Prerelease(s))
}
