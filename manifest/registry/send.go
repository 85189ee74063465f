package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"qimport/internal/transfer"
	"qimport/manifest"
)

// Sent is what sending blobs came to.
type Sent struct {
	Bytes, Reused int64 // Reused were there already
}

// Send brings blobs of the store to the registry, the largest first and several at a time. What it has already is not
// sent again, so that the same call goes on where an earlier one stopped. Each is hashed on its way.
func (c *Client) Send(ctx context.Context, from *manifest.Store, blobs []manifest.Layer, tell func(done, total int64)) (Sent, error) {
	var mu sync.Mutex
	var sent Sent
	err := c.each(ctx, blobs, tell, func(ctx context.Context, l manifest.Layer, meter *transfer.Meter) error {
		was, err := c.sendBlob(ctx, from, l, meter)
		if err != nil {
			return fmt.Errorf("blob %s: %w", l.Digest, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if was {
			sent.Reused += l.Size
		} else {
			sent.Bytes += l.Size
		}
		return nil
	})
	return sent, err
}

// sendBlob sends one blob, unless the registry has it.
func (c *Client) sendBlob(ctx context.Context, from *manifest.Store, l manifest.Layer, meter *transfer.Meter) (was bool, err error) {
	about := describe("application/octet-stream", l.Digest, l.Size)
	err = c.again(ctx, func() (err error) {
		if was, err = c.repo.Blobs().Exists(ctx, about); err != nil || was {
			return err
		}
		file, err := from.OpenBlob(l)
		if err != nil {
			return err
		}
		r := &sending{from: file, layer: l, sum: sha256.New(), meter: meter}
		defer r.end()
		if err = c.repo.Blobs().Push(ctx, about, r); err != nil {
			r.undo()
			if r.err != nil {
				return r.err
			}
		}
		return err
	})
	if was {
		meter.Add(l.Size)
	}
	return was, err
}

// describe is a descriptor.
func describe(mediaType string, d manifest.Digest, size int64) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.Digest(d.String()), Size: size}
}

// sending is a blob on its way. Its last bytes are held back where its digest turns out to be wrong, so
// that no registry takes it.
type sending struct {
	from  io.ReadCloser
	layer manifest.Layer
	meter *transfer.Meter

	mu    sync.Mutex // the transport may still read when a request has failed
	sum   hash.Hash
	read  int64
	ended bool
	err   error // of reading
}

// Read is the blob's next bytes.
func (s *sending) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return 0, io.ErrClosedPipe
	}
	n, err := s.from.Read(p)
	s.sum.Write(p[:n])
	s.read += int64(n)
	s.meter.Add(int64(n))
	whole := s.read == s.layer.Size && bytes.Equal(s.sum.Sum(nil), s.layer.Digest.Bytes())
	if s.read > s.layer.Size || s.read == s.layer.Size && !whole || err == io.EOF && !whole {
		n, err = 0, fmt.Errorf("%w: blob %s of the store has other bytes", manifest.ErrDamaged, s.layer.Digest)
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// undo takes back what the meter was told.
func (s *sending) undo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.meter.Add(-s.read)
	s.read = 0
}

func (s *sending) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	_ = s.from.Close() // it was only read
}

// Point puts a manifest in the registry, under the reference's tag or, where it has none, its digest.
func (c *Client) Point(ctx context.Context, mediaType string, content []byte) error {
	d := manifest.DigestOf(content)
	if !c.ref.Digest.IsZero() && c.ref.Digest != d {
		return fmt.Errorf("%w: %s names another manifest than the one to be pushed, %s: name a tag", ErrReference, c.ref, d)
	}
	return c.again(ctx, func() error {
		return c.repo.Manifests().PushReference(ctx, describe(mediaType, d, int64(len(content))), bytes.NewReader(content), c.ref.within())
	})
}
