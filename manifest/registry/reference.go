package registry

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	oci "oras.land/oras-go/v2/registry"

	"qimport/manifest"
)

// ErrReference marks what names no repository of a registry.
var ErrReference = errors.New("bad reference")

// maxReference is more than any registry takes: a host has 253 bytes, a repository 255, a tag 128.
const maxReference = 1024

// Reference names a manifest of a registry: by a tag or, where Digest is not zero, by that.
type Reference struct {
	Registry   string // host, perhaps with a port
	Repository string
	Tag        string
	Digest     manifest.Digest
}

// ParseReference reads REGISTRY/REPO, REGISTRY/REPO:TAG or REGISTRY/REPO@sha256:DIGEST; without a tag it is
// latest. The error is ErrReference.
func ParseReference(s string) (Reference, error) {
	if len(s) > maxReference {
		return Reference{}, fmt.Errorf("%w: %.60q… has %d bytes", ErrReference, s, len(s))
	}
	parsed, err := oci.ParseReference(s)
	if err != nil || !isHost(parsed.Registry) || strings.HasSuffix(s, ":") {
		return Reference{}, fmt.Errorf("%w: %q is not REGISTRY/REPO[:TAG], as registry.example.org/team/model:v1; a repository is in small letters", ErrReference, s)
	}
	r := Reference{Registry: parsed.Registry, Repository: parsed.Repository}
	switch {
	case parsed.Reference == "":
		r.Tag = manifest.DefaultTag
	case strings.Contains(parsed.Reference, ":"):
		if r.Digest, err = manifest.ParseDigest(parsed.Reference); err != nil || r.Digest.IsZero() {
			return Reference{}, fmt.Errorf("%w: %q: a digest is sha256: and 64 hex digits", ErrReference, s)
		}
	default:
		r.Tag = parsed.Reference
	}
	return r, nil
}

// isHost says whether a registry's name can only be a host, perhaps with a port.
func isHost(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(".-_:[]", r))
	}) < 0
}

// String is what ParseReference reads back.
func (r Reference) String() string {
	if !r.Digest.IsZero() {
		return r.Registry + "/" + r.Repository + "@" + r.Digest.String()
	}
	return r.Registry + "/" + r.Repository + ":" + r.Tag
}

// MarshalText makes a reference a JSON string.
func (r Reference) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// within is the tag or digest, as an address has it.
func (r Reference) within() string {
	if !r.Digest.IsZero() {
		return r.Digest.String()
	}
	return r.Tag
}

// isLocal says whether the registry is on this machine, by its name.
func (r Reference) isLocal() bool {
	host := r.Registry
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && address.IsLoopback()
}
