package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"qimport/internal/transfer"
	"qimport/manifest"
)

const mediaTypeDockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json"

// manifestTypes are those that are asked for. Indexes are among them only to be told apart.
func manifestTypes() []string {
	return []string{manifest.MediaTypeManifest, ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex, mediaTypeDockerIndex}
}

// Remote is a model as a registry has it, checked.
type Remote struct {
	MediaType string
	Digest    manifest.Digest // of the manifest in the registry
	Size      int64
	ModelPack bool              // the registry's manifest has ModelPack's media types, and names Content
	Manifest  manifest.Manifest // that of the store
	Content   []byte            // its bytes
}

// Resolve fetches what the reference names, and checks that the store can keep it.
func (c *Client) Resolve(ctx context.Context) (Remote, error) {
	var r Remote
	err := c.again(ctx, func() (err error) {
		r.MediaType, r.Content, err = c.manifest(ctx, c.ref.within(), manifest.MaxManifestBytes)
		return err
	})
	if err != nil {
		return Remote{}, err
	}
	r.Digest, r.Size = manifest.DigestOf(r.Content), int64(len(r.Content))
	if r.MediaType == ocispec.MediaTypeImageIndex || r.MediaType == mediaTypeDockerIndex {
		return Remote{}, fmt.Errorf("%w: %s is a list of manifests: name one of them by its digest, REPO@sha256:…", ErrContent, c.ref)
	}
	if inner, ok := packed(r.Content); ok {
		if r, err = c.unpack(ctx, r, inner); err != nil {
			return Remote{}, err
		}
	}
	if r.Manifest, err = manifest.Parse(r.Content); err != nil {
		return Remote{}, fmt.Errorf("%w: %s: %w", ErrContent, c.ref, err)
	}
	return r, checkModel(c.ref, r.Manifest)
}

// checkModel refuses what is sound as a manifest, and no model of Ollama's kind.
func checkModel(ref Reference, m manifest.Manifest) error {
	sizes := map[manifest.Digest]int64{}
	ours := false
	for _, l := range append([]manifest.Layer{m.Config}, m.Layers...) {
		if size, ok := sizes[l.Digest]; ok && size != l.Size {
			return fmt.Errorf("%w: %s lists the blob %s with %d bytes and with %d", ErrContent, ref, l.Digest, size, l.Size)
		}
		sizes[l.Digest] = l.Size
		ours = ours || strings.HasPrefix(l.MediaType, "application/vnd.ollama.image.")
	}
	if !ours {
		return fmt.Errorf("%w: %s has no layer of a model (application/vnd.ollama.image.…) in it: it is something else, such as an image", ErrContent, ref)
	}
	return nil
}

// manifest asks once for a manifest of at most max bytes, and checks all digests that it comes with.
func (c *Client) manifest(ctx context.Context, within string, max int64) (mediaType string, content []byte, err error) {
	resp, err := c.get(ctx, "manifests", within, http.Header{"Accept": {strings.Join(manifestTypes(), ", ")}})
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", nil, c.refused(resp)
	}
	if content, err = readAll(resp.Body, max); err != nil {
		return "", nil, fmt.Errorf("the manifest %s: %w", within, err)
	}
	sum := manifest.DigestOf(content)
	for _, wanted := range []string{within, resp.Header.Get("Docker-Content-Digest")} {
		if d, err := manifest.ParseDigest(wanted); err == nil && d != sum {
			return "", nil, fmt.Errorf("%w: the manifest %s has the digest %s, not %s", ErrDamaged, within, sum, d)
		}
	}
	return typeOf(resp.Header.Get("Content-Type"), content), content, nil
}

// typeOf is the media type of a manifest. Ollama's registry calls it text; then it says itself what it is.
func typeOf(said string, content []byte) string {
	mediaType, _, err := mime.ParseMediaType(said)
	if err == nil && strings.HasPrefix(mediaType, "application/vnd.") {
		return mediaType
	}
	var m struct {
		MediaType string `json:"mediaType"`
	}
	if json.Unmarshal(content, &m) == nil && m.MediaType != "" {
		return m.MediaType
	}
	return mediaType
}

// refused is what an answer says that brought nothing.
func (c *Client) refused(resp *http.Response) error {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 8<<10))
	var said struct{ Errors errcode.Errors }
	_ = json.Unmarshal(b, &said) // else the status alone must do
	return c.answered(resp.StatusCode, said.Errors)
}

// readAll reads a body of at most max bytes. One that is cut off is Temporary.
func readAll(r io.Reader, max int64) ([]byte, error) {
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(r, max+1))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = transfer.Temporary{Err: err}
	}
	if err == nil && n > max {
		err = fmt.Errorf("%w: it has more than %d bytes", ErrContent, max)
	}
	return b.Bytes(), err
}

// small fetches a blob into memory.
func (c *Client) small(ctx context.Context, d manifest.Digest, size, max int64) (content []byte, err error) {
	if size < 0 || size > max {
		return nil, fmt.Errorf("%w: %s is said to have %d bytes, %d are the most", ErrContent, d, size, max)
	}
	err = c.again(ctx, func() error {
		resp, err := c.get(ctx, "blobs", d.String(), nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return c.refused(resp)
		}
		if content, err = readAll(resp.Body, size); err != nil {
			return err
		}
		if sum := manifest.DigestOf(content); sum != d {
			return fmt.Errorf("%w: %s has the digest %s", ErrDamaged, d, sum)
		}
		return nil
	})
	return content, err
}
