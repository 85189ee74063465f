package hub

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path"
	"strings"

	"qimport/internal/transfer"
)

// errDamaged marks bytes that are not those which the hub lists.
var errDamaged = errors.New("came damaged")

// syncEvery is how much is written between two flushes to the disk, so that the last one is short,
// also where a user interrupts it, and a crash loses little.
const syncEvery = 64 << 20

// download brings one blob. It waits as blobs/OID.incomplete, from which a later run goes on.
type download struct {
	file   file
	folder *folder
	client *client
	url    string
	meter  *transfer.Meter

	part    *os.File
	hash    hash.Hash // of the first have bytes
	have    int64
	flushed int64
	kept    bool // some of the bytes are from an earlier run
}

func (d *download) tempName() string { return path.Join(blobsDir, d.file.OID+incomplete) }

// run leaves the blob in its place, whole and verified, whoever fetched it.
func (d *download) run(ctx context.Context) error {
	unlock, err := d.folder.lock(ctx, d.file.OID)
	if err != nil {
		return err
	}
	defer unlock()
	if whole, err := d.folder.hasBlob(ctx, d.file); whole || err != nil {
		d.meter.Add(d.file.Size)
		return err
	}
	if err := d.open(ctx); err != nil {
		return err
	}
	defer d.part.Close()
	err = d.fill(ctx)
	if errors.Is(err, errDamaged) && d.kept { // by what the earlier run left, it may be
		if err = d.restart(); err == nil {
			err = d.fill(ctx)
		}
	}
	if errors.Is(err, errDamaged) {
		d.folder.root.Remove(d.tempName())
	}
	if err != nil {
		return err
	}
	return d.folder.trouble(d.finish())
}

// open takes up what an earlier run left, or begins.
func (d *download) open(ctx context.Context) error {
	root, name := d.folder.root, d.tempName()
	if info, err := root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		if err := root.Remove(name); err != nil {
			return d.folder.trouble(err)
		}
	}
	var err error
	if d.part, err = root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return d.folder.trouble(err)
	}
	if info, err := d.part.Stat(); err != nil || info.Size() > d.file.Size {
		return errors.Join(d.folder.trouble(err), d.restart())
	}
	d.hash = newHash(d.file)
	d.have, err = hashFile(ctx, d.hash, d.part)
	d.kept, d.flushed = d.have > 0, d.have
	d.meter.Add(d.have)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return d.folder.trouble(err)
}

// restart forgets what came so far.
func (d *download) restart() error {
	d.meter.Add(-d.have)
	d.have, d.flushed, d.kept, d.hash = 0, 0, false, newHash(d.file)
	_, err := d.part.Seek(0, io.SeekStart)
	return d.folder.trouble(errors.Join(err, d.part.Truncate(0)))
}

// worthwhile is how much a try must bring for the hub to have as many tries again.
const worthwhile = 1 << 20

// fill brings the bytes that are missing, and compares the digest.
func (d *download) fill(ctx context.Context) error {
	if d.have < d.file.Size {
		err := d.client.patience.Retry(ctx, func() (bool, error) {
			before := d.have
			err := d.try(ctx)
			return d.have-before >= worthwhile, err
		})
		if err != nil {
			return err
		}
	}
	if got := hex.EncodeToString(d.hash.Sum(nil)); got != d.file.OID {
		return fmt.Errorf("%w (its digest is %s, the hub lists %s)", errDamaged, got, d.file.OID)
	}
	return nil
}

// try asks once for all that is missing.
func (d *download) try(ctx context.Context) error {
	resp, err := d.client.get(ctx, d.url, d.have)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable || resp.StatusCode == http.StatusPartialContent && !d.continues(resp) {
		if err := d.restart(); err != nil {
			return err
		}
		return transfer.Temporary{Err: errors.New("the hub answered with another range than was asked for")}
	}
	if resp.StatusCode == http.StatusOK && d.have > 0 { // it knows no ranges
		if err := d.restart(); err != nil {
			return err
		}
	}
	if missing := d.file.Size - d.have; resp.ContentLength >= 0 && resp.ContentLength != missing {
		return fmt.Errorf("%w: the hub sends %d bytes where its listing leaves %d", errDamaged, resp.ContentLength, missing)
	}
	return d.receive(ctx, resp.Body)
}

// continues says whether an answer of 206 begins where the file ends.
func (d *download) continues(resp *http.Response) bool {
	return strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", d.have))
}

// receive appends a body to the file.
func (d *download) receive(ctx context.Context, body io.Reader) error {
	buf := make([]byte, copyBuffer)
	for {
		n, err := body.Read(buf)
		if int64(n) > d.file.Size-d.have {
			return fmt.Errorf("%w: more than the %d bytes came that the hub lists", errDamaged, d.file.Size)
		}
		if err := d.append(buf[:n]); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, io.EOF) && d.have < d.file.Size {
			return transfer.Temporary{Err: fmt.Errorf("only %d of %d bytes came", d.have, d.file.Size)}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (d *download) append(p []byte) error {
	if _, err := d.part.Write(p); err != nil {
		return d.folder.trouble(err)
	}
	d.hash.Write(p)
	d.have += int64(len(p))
	d.meter.Add(int64(len(p)))
	if d.have-d.flushed < syncEvery {
		return nil
	}
	d.flushed = d.have
	return d.folder.trouble(d.part.Sync())
}

// finish gives the blob its name.
func (d *download) finish() error {
	if err := errors.Join(d.part.Sync(), d.part.Close()); err != nil {
		return err
	}
	return d.folder.root.Rename(d.tempName(), path.Join(blobsDir, d.file.OID))
}
