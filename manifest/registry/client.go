package registry

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/netip"

	oci "oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"qimport/internal/transfer"
	"qimport/manifest"
)

// Options say how a registry is asked.
type Options struct {
	PlainHTTP *bool // nil: http where the registry is this machine, else https
	Jobs      int   // blobs at a time; 0 for DefaultJobs
	Patience  transfer.Patience
}

// DefaultJobs is how many blobs are sent or fetched side by side.
const DefaultJobs = 4

// Client asks one repository of a registry. It keeps no state between requests but connections and tokens.
type Client struct {
	Dialect Dialect

	ref      Reference
	repo     *remote.Repository
	http     *http.Client
	patience transfer.Patience
	jobs     int
}

// Connect looks whether there is a registry, and which dialect it speaks.
func Connect(ctx context.Context, ref Reference, o Options) (*Client, error) {
	c, err := newClient(ref, o)
	if err != nil {
		return nil, err
	}
	if c.Dialect, err = c.dialect(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func newClient(ref Reference, o Options) (*Client, error) {
	known, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return nil, fmt.Errorf("credentials of docker's config.json: %w", err)
	}
	plain := ref.isLocal()
	if o.PlainHTTP != nil {
		plain = *o.PlainHTTP
	}
	c := &Client{ref: ref, patience: o.Patience, jobs: cmp.Or(o.Jobs, DefaultJobs)}
	if c.patience.Tries == 0 {
		c.patience = transfer.UsualPatience()
	}
	c.http = &http.Client{
		Transport:     carrier{newTransport(c.jobs), plain, c.patience.Stall},
		CheckRedirect: checkRedirect,
	}
	asker := &auth.Client{
		Client: c.http, Cache: auth.NewCache(), ClientID: "qimport",
		Header:     http.Header{"User-Agent": {"qimport"}},
		Credential: credentials.Credential(known),
	}
	if ref.isLocal() {
		asker.BlockedRealmPrefixes = []netip.Prefix{} // its tokens may come from this machine too
	}
	c.repo = &remote.Repository{
		Client: asker, PlainHTTP: plain,
		Reference:            oci.Reference{Registry: ref.Registry, Repository: ref.Repository, Reference: ref.within()},
		ManifestMediaTypes:   manifestTypes(),
		MaxMetadataBytes:     manifest.MaxManifestBytes,
		ReferrerListMaxPages: maxPages,
		SkipReferrersGC:      true, // an index that is not the newest any more may be another's, or not ours to remove
		HandleWarning:        func(remote.Warning) {},
	}
	return c, nil
}

// Close gives the connections up.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// host is where the registry is asked: for docker.io another one than its name.
func (c *Client) host() string { return c.repo.Reference.Host() }

// base is where the registry begins.
func (c *Client) base() string {
	scheme := "https"
	if c.repo.PlainHTTP {
		scheme = "http"
	}
	return scheme + "://" + c.host() + "/v2/"
}

// get asks once for something in the repository; the caller closes the answer, whatever its status.
func (c *Client) get(ctx context.Context, kind, what string, header http.Header) (*http.Response, error) {
	ctx = auth.AppendRepositoryScope(ctx, c.repo.Reference, auth.ActionPull)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base()+c.ref.Repository+"/"+kind+"/"+what, nil)
	if err != nil {
		return nil, err
	}
	for name := range header {
		req.Header.Set(name, header.Get(name))
	}
	return c.repo.Client.Do(req)
}

// again does something until it succeeds, fails for good or fails too often.
func (c *Client) again(ctx context.Context, do func() error) error {
	return c.explain(c.patience.Retry(ctx, func() (bool, error) { return false, mendable(do()) }))
}
