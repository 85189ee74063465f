package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"qimport/internal/transfer"
	"qimport/manifest"
)

// Missing is what the stage lacks of a manifest's blobs. Those that it has, or the store, are taken; one
// without evidence for it is read first.
func Missing(ctx context.Context, st *manifest.Stage, m manifest.Manifest) ([]manifest.Layer, error) {
	var missing []manifest.Layer
	for _, l := range m.Blobs() {
		done, ok := st.Done(l.Digest.String())
		if ok && done.Size == l.Size || st.Reuse(ctx, l.Digest.String(), l) {
			continue
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		missing = append(missing, l)
	}
	return missing, nil
}

// flushEvery is how often what has come is brought to the disk, from where a run goes on that was killed.
const flushEvery = 2 * time.Second

// Fetch brings blobs into the stage, the largest first and several at a time. What has come whole stays
// there, also where an error ends the others; tell, which may be nil, hears of the bytes.
func (c *Client) Fetch(ctx context.Context, st *manifest.Stage, blobs []manifest.Layer, tell func(done, total int64)) error {
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() { stopped <- flushing(ctx, st, stop) }()
	err := c.each(ctx, blobs, tell, func(ctx context.Context, l manifest.Layer, meter *transfer.Meter) error {
		d := download{client: c, stage: st, layer: l, meter: meter}
		return d.run(ctx)
	})
	close(stop)
	return cmp.Or(err, <-stopped, st.Flush(context.WithoutCancel(ctx)))
}

// flushing flushes now and then, until it is stopped.
func flushing(ctx context.Context, st *manifest.Stage, stop <-chan struct{}) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return nil
		case <-tick.C:
			if err := st.Flush(ctx); err != nil {
				return err
			}
		}
	}
}

// download brings one blob.
type download struct {
	client *Client
	stage  *manifest.Stage
	layer  manifest.Layer
	meter  *transfer.Meter

	blob *manifest.BlobWriter
	have int64
}

// worthwhile is how much a try must bring for the registry to have as many tries again.
const worthwhile = 1 << 20

// run leaves the blob in the stage, whole, or nothing of it.
func (d *download) run(ctx context.Context) error {
	defer func() {
		if d.blob != nil {
			_ = d.blob.Abort() // after Finish it does nothing
		}
	}()
	if err := d.restart(); err != nil {
		return err
	}
	err := d.client.patience.Retry(ctx, func() (bool, error) {
		before := d.have
		err := d.try(ctx)
		return d.have-before >= worthwhile, err
	})
	if err != nil {
		return fmt.Errorf("blob %s: %w", d.layer.Digest, d.client.explain(err))
	}
	if sum := d.blob.Sum(); sum != d.layer.Digest {
		return fmt.Errorf("%w: blob %s has the digest %s", ErrDamaged, d.layer.Digest, sum)
	}
	_, err = d.blob.Finish(d.layer.MediaType, d.layer.Name)
	return err
}

// restart forgets what came so far.
func (d *download) restart() (err error) {
	if d.blob != nil {
		err = d.blob.Abort()
	}
	d.meter.Add(-d.have)
	d.have = 0
	if err == nil {
		d.blob, err = d.stage.NewBlob(d.layer.Digest.String())
	}
	return err
}

// try asks once for all that is missing.
func (d *download) try(ctx context.Context) error {
	if d.layer.Size == 0 {
		return nil
	}
	header := http.Header{}
	if d.have > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", d.have))
	}
	resp, err := d.client.get(ctx, "blobs", d.layer.Digest.String(), header)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case d.have > 0 && resp.StatusCode == http.StatusPartialContent && strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", d.have)):
	case d.have > 0 && (resp.StatusCode == http.StatusPartialContent || resp.StatusCode == http.StatusRequestedRangeNotSatisfiable):
		return errors.Join(d.restart(), transfer.Temporary{Err: errors.New("it answered with another range than was asked for")})
	case resp.StatusCode != http.StatusOK:
		return d.client.refused(resp)
	case d.have > 0: // all of it, from the beginning
		if err := d.restart(); err != nil {
			return err
		}
	}
	if missing := d.layer.Size - d.have; resp.ContentLength >= 0 && resp.ContentLength != missing {
		return fmt.Errorf("%w: the registry sends %d bytes where the manifest leaves %d", ErrDamaged, resp.ContentLength, missing)
	}
	return d.receive(resp.Body)
}

// pieces is how much is read, hashed and written at a time.
const pieces = 256 << 10

// receive adds a body to the blob.
func (d *download) receive(body io.Reader) error {
	buf := make([]byte, pieces)
	for d.have < d.layer.Size {
		n, err := body.Read(buf[:min(pieces, d.layer.Size-d.have)])
		if n > 0 {
			if _, err := d.blob.Write(buf[:n]); err != nil {
				return err
			}
			d.have += int64(n)
			d.meter.Add(int64(n))
		}
		if errors.Is(err, io.EOF) && d.have < d.layer.Size {
			return transfer.Temporary{Err: fmt.Errorf("only %d of %d bytes came", d.have, d.layer.Size)}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	if n, _ := io.ReadFull(body, buf[:1]); n > 0 {
		return fmt.Errorf("%w: more than the %d bytes came that the manifest says", ErrDamaged, d.layer.Size)
	}
	return nil
}
