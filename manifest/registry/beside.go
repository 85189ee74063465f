package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"qimport/manifest"
)

// Attachment is a file that is kept beside a manifest. In a registry it is a referrer: a manifest of its
// own, which names the other as its subject. Old registries have no list of these; there oras-go keeps one
// under a tag that is made of the subject's digest.
type Attachment struct {
	Type    string // of the artifact, and of its one layer
	Name    string // of the file
	Content []byte
	About   map[string]string // annotations, for who looks at the list alone; not read back
}

// Limits of what may be attached.
const (
	maxPages      = 10       // of a list of referrers
	maxAttached   = 100      // of one type
	maxReferrer   = 1 << 20  // bytes of a referrer's manifest
	MaxAttachment = 16 << 20 // bytes of a file: a report on 40,000 tensors has 8 MB
)

// Attach puts a file beside a manifest that is in the registry. The same file gets the same digest, so
// that to attach it twice changes nothing.
func (c *Client) Attach(ctx context.Context, subject ocispec.Descriptor, a Attachment) (manifest.Digest, error) {
	if len(a.Content) > MaxAttachment {
		return manifest.Digest{}, fmt.Errorf("%s has %d bytes, more than %d can be attached", a.Name, len(a.Content), MaxAttachment)
	}
	layer := describe(a.Type, manifest.DigestOf(a.Content), int64(len(a.Content)))
	layer.Annotations = map[string]string{ocispec.AnnotationTitle: a.Name}
	config := describe(a.Type, manifest.DigestOf(ocispec.DescriptorEmptyJSON.Data), ocispec.DescriptorEmptyJSON.Size) // where there is no artifactType yet, its type is that
	content, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: a.Type,
		Config: config, Layers: []ocispec.Descriptor{layer}, Subject: &subject, Annotations: a.About,
	})
	if err != nil {
		return manifest.Digest{}, err
	}
	for _, blob := range [][]byte{ocispec.DescriptorEmptyJSON.Data, a.Content} {
		if err := c.SendBytes(ctx, blob); err != nil {
			return manifest.Digest{}, err
		}
	}
	d := manifest.DigestOf(content)
	err = c.again(ctx, func() error {
		return c.repo.Manifests().Push(ctx, describe(ocispec.MediaTypeImageManifest, d, int64(len(content))), bytes.NewReader(content))
	})
	return d, err
}

// SendBytes sends a small blob, unless the registry has it.
func (c *Client) SendBytes(ctx context.Context, content []byte) error {
	about := describe("application/octet-stream", manifest.DigestOf(content), int64(len(content)))
	return c.again(ctx, func() error {
		was, err := c.repo.Blobs().Exists(ctx, about)
		if err != nil || was {
			return err
		}
		return c.repo.Blobs().Push(ctx, about, bytes.NewReader(content))
	})
}

// Attached is every file of a type that somebody put beside a manifest. Whoever may write to the repository
// may put one there: what it says is for the caller to check.
func (c *Client) Attached(ctx context.Context, subject ocispec.Descriptor, artifact string) ([]Attachment, error) {
	var referrers []ocispec.Descriptor
	err := c.again(ctx, func() error {
		referrers = nil
		return c.repo.Referrers(ctx, subject, artifact, func(page []ocispec.Descriptor) error {
			if referrers = append(referrers, page...); len(referrers) > maxAttached {
				return fmt.Errorf("%w: %s has more than %d files of type %s beside it", ErrContent, c.ref, maxAttached, artifact)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	var all []Attachment
	for _, r := range referrers {
		a, err := c.attachment(ctx, subject, r, artifact)
		if err != nil {
			return nil, fmt.Errorf("referrer %.80s: %w", r.Digest, err)
		}
		all = append(all, a...)
	}
	return all, nil
}

// attachment fetches the files of a referrer.
func (c *Client) attachment(ctx context.Context, subject, r ocispec.Descriptor, artifact string) ([]Attachment, error) {
	d, err := manifest.ParseDigest(r.Digest.String())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrContent, err)
	}
	var content []byte
	err = c.again(ctx, func() (err error) {
		_, content, err = c.manifest(ctx, d.String(), maxReferrer)
		return err
	})
	if err != nil {
		return nil, err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(content, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrContent, err)
	}
	if m.Subject == nil || m.Subject.Digest != subject.Digest || m.ArtifactType != artifact {
		return nil, nil // a list that is not up to date, or not honest
	}
	var all []Attachment
	for _, l := range m.Layers {
		d, err := manifest.ParseDigest(l.Digest.String())
		if err != nil || len(all) == maxAttached {
			return nil, fmt.Errorf("%w: its layers are none of a referrer", ErrContent)
		}
		b, err := c.small(ctx, d, l.Size, MaxAttachment)
		if err != nil {
			return nil, err
		}
		all = append(all, Attachment{Type: artifact, Name: l.Annotations[ocispec.AnnotationTitle], Content: b})
	}
	return all, nil
}

// Subject is the manifest that something is attached to.
func Subject(mediaType string, d manifest.Digest, size int64) ocispec.Descriptor {
	return describe(mediaType, d, size)
}
