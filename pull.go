package qimport

import (
	"context"
	"fmt"
	"time"

	"qimport/manifest"
	"qimport/manifest/registry"
	"qimport/verify/attest"
)

// PullOptions say how to pull.
type PullOptions struct {
	PlainHTTP *bool // nil: http to this machine alone
	Jobs      int   // blobs at a time; 0 for registry.DefaultJobs
	Watch     Watcher

	Keys   []*attest.Key   // of which one must have signed that the model was verified; none: nobody is asked
	Signer attest.Identity // or who, by a certificate of sigstore; zero: nobody
	Policy attest.Policy   // what must be signed
}

// PullResult is what a pull did, as scripts read it.
type PullResult struct {
	Schema    int                `json:"schema"`
	Name      manifest.Name      `json:"name"`
	Manifest  manifest.Digest    `json:"manifest"` // in the store
	Reference registry.Reference `json:"reference"`
	Pulled    manifest.Digest    `json:"pulled"` // in the registry: the same, but with ModelPack
	Dialect   registry.Dialect   `json:"dialect"`
	ModelPack bool               `json:"modelpack"`
	Blobs     int                `json:"blobs"`
	Fetched   int64              `json:"bytes_fetched"`
	Reused    int64              `json:"bytes_reused"` // that the store or an earlier run had
	Beside    []string           `json:"beside"`       // what came with it, and is kept
	Published bool               `json:"published"`
	// Attestation is what signed statements say of the model, where keys were given.
	Attestation *AttestationVerdict `json:"attestation"`
	Seconds     float64             `json:"seconds"`
}

// Pull brings a model of a registry into the store. The name moves last, when every blob is there and has
// the digest that the manifest says. What has come by then waits for another try.
func Pull(ctx context.Context, store *manifest.Store, name manifest.Name, from registry.Reference, o PullOptions) (PullResult, error) {
	start := time.Now()
	result := PullResult{Schema: 1, Name: name, Reference: from, Beside: []string{}}
	client, err := connect(ctx, from, o.PlainHTTP, o.Jobs)
	if err != nil {
		return result, err
	}
	defer client.Close()
	r, err := client.Resolve(ctx)
	if err != nil {
		return result, err
	}
	result.Manifest, result.Pulled, result.ModelPack, result.Dialect = manifest.DigestOf(r.Content), r.Digest, r.ModelPack, client.Dialect
	found, err := findBeside(ctx, client, from, r, o)
	if err != nil {
		return result, err
	}
	if result.Attestation, err = found.judge(ctx, store, manifest.Entry{Name: name, Manifest: r.Manifest, Digest: result.Manifest}, o); err != nil {
		return result, err
	}
	st, err := store.AwaitStage(ctx, "pull-"+result.Manifest.Hex(), func() { notef(o.Watch, "note: another qimport is pulling the very same: waiting for it") })
	if err != nil {
		return result, err
	}
	defer st.Keep()
	if err := fetchBlobs(ctx, client, store, st, r.Manifest, o.Watch, &result); err != nil {
		return result, err
	}
	if _, err := st.PublishBytes(ctx, name, r.Content); err != nil {
		return result, err
	}
	result.Published = true
	if result.Beside, err = found.keep(ctx, store, result.Manifest); err != nil {
		return result, fmt.Errorf("%s is published, but not all that came with it is kept: %w", name, err)
	}
	result.Seconds = time.Since(start).Seconds()
	return result, nil
}

// fetchBlobs brings what is missing of a model into the stage, if there is room for it.
func fetchBlobs(ctx context.Context, client *registry.Client, store *manifest.Store, st *manifest.Stage, m manifest.Manifest, w Watcher, result *PullResult) error {
	missing, err := registry.Missing(ctx, st, m)
	if err != nil {
		return err
	}
	for _, l := range missing {
		result.Fetched += l.Size
	}
	result.Blobs, result.Reused = len(m.Blobs()), m.Bytes()-result.Fetched
	space, err := store.Preflight(result.Fetched)
	if err != nil {
		return err
	}
	if space.Advice != "" {
		notef(w, "note: %s", space.Advice)
	}
	progress := begin(w, "pull")
	defer progress.End()
	return client.Fetch(ctx, st, missing, progress.Bytes)
}
