package manifest

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// What a name means where it leaves a part out.
const (
	DefaultHost      = "registry.ollama.ai"
	DefaultNamespace = "library"
	DefaultTag       = "latest"
)

// Longest parts that Ollama takes.
const (
	maxHost = 350
	maxPart = 80
)

// ErrBadName marks a model name that Ollama would not take.
var ErrBadName = errors.New("bad model name")

// Name says where in the store a manifest lies: manifests/Host/Namespace/Model/Tag. No part of a
// parsed Name starts with a dot or holds a separator, so that its path cannot leave the store. The
// case of letters is kept, but two names that differ in case alone are one name to Ollama.
type Name struct{ Host, Namespace, Model, Tag string }

// ParseName reads [scheme://][host/][namespace/]model[:tag] and fills in the defaults. A colon
// before the last slash belongs to the host (host:5000/namespace/model). The error is ErrBadName.
func ParseName(s string) (Name, error) {
	n := Name{Host: DefaultHost, Namespace: DefaultNamespace, Tag: DefaultTag}
	rest := s
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		rest, n.Tag = rest[:i], rest[i+1:]
	}
	rest, n.Model = cutLast(rest)
	if rest != "" {
		rest, n.Namespace = cutLast(rest[:len(rest)-1])
	}
	if rest != "" {
		n.Host = withoutScheme(rest[:len(rest)-1])
	}
	if err := n.Validate(); err != nil {
		return Name{}, fmt.Errorf("%w in %.200q: write [host/][namespace/]model[:tag]", err, s)
	}
	return n, nil
}

// cutLast cuts s behind its last slash; the slash stays with the front, which is empty without one.
func cutLast(s string) (front, last string) {
	i := strings.LastIndexByte(s, '/')
	return s[:i+1], s[i+1:]
}

func withoutScheme(s string) string {
	if _, host, ok := strings.Cut(s, "://"); ok {
		return host
	}
	return s
}

// Validate says which part of n breaks Ollama's rules, with ErrBadName, or nil.
func (n Name) Validate() error {
	for _, p := range []struct {
		what, value, allowed string
		max                  int
	}{
		{"host", n.Host, "-_.:", maxHost},
		{"namespace", n.Namespace, "-_", maxPart},
		{"model", n.Model, "-_.", maxPart},
		{"tag", n.Tag, "-_.", maxPart},
	} {
		if !validPart(p.value, p.allowed, p.max) {
			return fmt.Errorf("%w: the %s must be 1 to %d letters, digits or any of %s and start with a letter, digit or _",
				ErrBadName, p.what, p.max, p.allowed)
		}
	}
	return nil
}

// validPart reports whether s has 1 to max bytes of A-Z a-z 0-9 and allowed, and starts with one of
// A-Z a-z 0-9 _ .
func validPart(s, allowed string, max int) bool {
	for i := range len(s) {
		c := s[i]
		plain := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
		if !plain && (i == 0 || strings.IndexByte(allowed, c) < 0) {
			return false
		}
	}
	return 1 <= len(s) && len(s) <= max
}

// String is the shortest form that ParseName reads back, always with its tag: the resolver of
// Ollama's MLX runner misreads a host with a port and no tag. The zero Name is "".
func (n Name) String() string {
	if n == (Name{}) {
		return ""
	}
	s := n.Model + ":" + n.Tag
	if n.Host == DefaultHost && n.Namespace == DefaultNamespace {
		return s
	}
	s = n.Namespace + "/" + s
	if n.Host == DefaultHost {
		return s
	}
	return n.Host + "/" + s
}

// MarshalText makes a name a JSON string, in its short form.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// path is where the manifest lies, relative to the manifests folder.
func (n Name) path() string { return filepath.Join(n.Host, n.Namespace, n.Model, n.Tag) }

// sameFold reports whether Ollama takes the two for one name.
func (n Name) sameFold(o Name) bool {
	return strings.EqualFold(n.Host, o.Host) && strings.EqualFold(n.Namespace, o.Namespace) &&
		strings.EqualFold(n.Model, o.Model) && strings.EqualFold(n.Tag, o.Tag)
}
