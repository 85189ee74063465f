package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"

	"golang.org/x/sync/errgroup"

	"qimport/internal/transfer"
)

// atOnce is how many files are fetched side by side.
const atOnce = 4

// fetcher brings one repository into the cache.
type fetcher struct {
	settings  settings
	reference Reference
	client    *client
	spare     bool // the cache has what seems whole
	meter     *transfer.Meter
}

// fetch brings the checkpoint files of a reference into the cache, and returns the commit. Where what
// the cache has seems whole, that commit is looked at, not where the revision points by now.
func fetch(ctx context.Context, s settings, r Reference, has cached, tell func(done, total int64)) (string, error) {
	c, err := newClient(s)
	if err != nil {
		return "", err
	}
	defer c.close()
	f := fetcher{s, r, c, has.lacks == nil, transfer.NewMeter(tell)}
	revision := r.Revision
	if f.spare {
		revision = has.commit
	}
	l, err := f.list(ctx, revision)
	if err != nil {
		return "", err
	}
	return l.Commit, f.bring(ctx, l)
}

// unanswered marks that the hub gave no listing, for whatever reason.
type unanswered struct{ error }

func (u unanswered) Unwrap() error { return u.error }

// list asks the hub for the files of a revision.
func (f fetcher) list(ctx context.Context, revision string) (listing, error) {
	address := fmt.Sprintf("%s/api/models/%s/revision/%s?blobs=true", f.settings.endpoint, f.reference.ID, url.PathEscape(revision))
	var body []byte
	err := f.patience().Retry(ctx, func() (progress bool, err error) {
		body, err = f.read(ctx, address)
		return false, err
	})
	if err != nil {
		return listing{}, f.explain(ctx, err)
	}
	l, err := parseListing(body)
	if err == nil && checkCommit(revision) == nil && l.Commit != revision {
		err = fmt.Errorf("sha is %s: %w", l.Commit, errBadListing)
	}
	if err == nil {
		err = f.reference.Part.check(l)
	}
	if err != nil {
		return listing{}, fmt.Errorf("%s: %w", f.reference, err)
	}
	return l, nil
}

// patience for a listing: none where there is no network, or where the cache will do.
func (f fetcher) patience() transfer.Patience {
	p := f.client.patience
	p.Final = transfer.Unreachable
	if f.spare {
		p.Tries = 1
	}
	return p
}

// read brings an answer of a bounded size.
func (f fetcher) read(ctx context.Context, address string) ([]byte, error) {
	resp, err := f.client.get(ctx, address, 0)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxListing+1))
	if err == nil && len(b) > maxListing {
		err = fmt.Errorf("its answer has more than %d bytes: %w", maxListing, errBadListing)
	}
	return b, err
}

// explain says in words what stands in the way of a listing.
func (f fetcher) explain(ctx context.Context, err error) error {
	var status statusError
	switch r := f.reference; {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errBadListing):
		return fmt.Errorf("%s: %w", r, err)
	case !errors.As(err, &status):
		return unanswered{fmt.Errorf("%s is not whole in the cache %s and the hub cannot be reached: give a directory, or fetch the model where there is a network: %w", r, f.settings.cache, err)}
	case status == http.StatusUnauthorized:
		return unanswered{fmt.Errorf("%s: the hub wants a token (401): the model is private or gated, or there is none of that name; set HF_TOKEN", r)}
	case status == http.StatusForbidden:
		return unanswered{fmt.Errorf("%s: the token has no access (403): accept the model's licence on its page first", r)}
	case status == http.StatusNotFound:
		return unanswered{fmt.Errorf("%s: the hub knows no such model or revision (404)", r)}
	default:
		return unanswered{fmt.Errorf("%s: %w: try again later", r, err)}
	}
}

// bring makes what is wanted of the snapshot whole. What a head needs is known once the index is there.
func (f fetcher) bring(ctx context.Context, l listing) error {
	var before []file
	for range 3 { // the index, what it names, and a look whether that is all
		part, known, err := f.part(l)
		if err != nil || known && slices.Equal(part.Files, before) {
			return err
		}
		if err := f.bringPart(ctx, l, part); err != nil {
			return err
		}
		before = part.Files
	}
	return fmt.Errorf("%s: its %s is no index of shards", f.reference, indexName)
}

// part is what is wanted, as far as it is known.
func (f fetcher) part(l listing) (part listing, known bool, err error) {
	folder, err := openFolder(f.settings.cache, f.reference.ID)
	if errors.Is(err, fs.ErrNotExist) {
		part, known = f.reference.Part.of(l, nil)
		return part, known, nil
	}
	if err != nil {
		return part, false, err
	}
	defer folder.close()
	index, _ := folder.index(l.Commit) // one that cannot be read is fetched anew
	part, known = f.reference.Part.of(l, index)
	return part, known, nil
}

// bringPart makes a part of the snapshot whole, and then lets the revision point at it. Where nothing is
// missing, the cache may be one that can only be read.
func (f fetcher) bringPart(ctx context.Context, l, part listing) error {
	missing, err := f.missing(ctx, part)
	if err != nil {
		return err
	}
	folder, err := makeFolder(f.settings.cache, f.reference.ID)
	if err == nil {
		defer folder.close()
		err = folder.writeNote(l) // first: what is not whole is known to be so from here on
	}
	if err == nil && len(missing) > 0 {
		err = f.bringFiles(ctx, folder, part, missing)
	}
	if err == nil {
		err = folder.writeRef(f.reference.Revision, l.Commit)
	}
	if len(missing) == 0 {
		return nil
	}
	return err
}

// missing lists the files that the cached snapshot has not, or not whole.
func (f fetcher) missing(ctx context.Context, part listing) ([]file, error) {
	folder, err := openFolder(f.settings.cache, f.reference.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return part.Files, nil
	}
	if err != nil {
		return nil, err
	}
	defer folder.close()
	if err := folder.checkSnapshot(part.Commit); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, folder.trouble(err)
	}
	return folder.lacking(ctx, part, readSmall)
}

// bringFiles fetches what is missing, several files at once, and looks at the whole part once more.
func (f fetcher) bringFiles(ctx context.Context, folder *folder, part listing, missing []file) error {
	if err := folder.makeSnapshot(part.Commit); err != nil {
		return err
	}
	var downloads []*download
	for _, file := range missing {
		whole, err := folder.hasBlob(ctx, file)
		if err != nil {
			return err
		}
		if !whole {
			f.meter.Expect(file.Size)
			downloads = append(downloads, &download{file: file, folder: folder, client: f.client, url: f.address(part, file), meter: f.meter})
		}
	}
	if err := f.runAll(ctx, downloads); err != nil {
		return err
	}
	for _, file := range missing {
		if err := folder.link(part.Commit, file); err != nil {
			return err
		}
	}
	if err := folder.syncFolders(blobsDir, path.Join(snapshotsDir, part.Commit)); err != nil {
		return err
	}
	if still, err := folder.lacking(ctx, part, goBySize); err != nil || len(still) > 0 {
		return errors.Join(fmt.Errorf("%s: its snapshot in the cache is changed by someone else: try again", f.reference), err)
	}
	return nil
}

func (f fetcher) runAll(ctx context.Context, downloads []*download) error {
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, d := range downloads {
		g.Go(func() error {
			err := d.run(inner)
			if err != nil {
				err = fmt.Errorf("%s: fetching %s (what is finished stays in the cache, try again): %w", f.reference, d.file.Name, err)
			}
			return err
		})
	}
	err := g.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (f fetcher) address(l listing, of file) string {
	return fmt.Sprintf("%s/%s/resolve/%s/%s", f.settings.endpoint, f.reference.ID, l.Commit, url.PathEscape(of.Name))
}
