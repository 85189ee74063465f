package hub

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Reference is a repository of models, one state of it, and which of its files are wanted.
type Reference struct {
	ID       string // "org/name"
	Revision string // branch, tag or commit; "main" where none was named
	Part     Part
}

func (r Reference) String() string { return r.ID + "@" + r.Revision }

var referencePattern = regexp.MustCompile(`^([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([A-Za-z0-9][\w./-]*))?$`)

// ParseReference reads "org/name" or "org/name@revision". As with huggingface_hub, an ID holds no
// "--", which stands for the slash in the cache, so that two repositories never share a folder.
func ParseReference(s string) (Reference, error) {
	m := referencePattern.FindStringSubmatch(s)
	if m == nil || strings.Contains(s, "..") || strings.Contains(m[1], "--") || len(s) > maxName {
		return Reference{}, fmt.Errorf("source %.300q is neither a directory nor of the form org/name[@revision]", s)
	}
	if m[2] == "" {
		m[2] = "main"
	}
	if path.Clean(m[2]) != m[2] {
		return Reference{}, fmt.Errorf("source %q: %q is no name of a revision", s, m[2])
	}
	return Reference{ID: m[1], Revision: m[2]}, nil
}
