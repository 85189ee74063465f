package qimport

import (
	"context"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"qimport/manifest"
	"qimport/manifest/registry"
	"qimport/verify/report"
)

// PullOptions say how to pull.
type PullOptions struct {
	PlainHTTP *bool // nil: http to this machine alone
	Jobs      int   // blobs at a time; 0 for registry.DefaultJobs
	Watch     Watcher
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
	Seconds   float64            `json:"seconds"`
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
	st, err := store.AwaitStage(ctx, "pull-"+result.Manifest.Hex(), func() { notef(o.Watch, "note: another qimport is pulling the very same: waiting for it") })
	if err != nil {
		return result, err
	}
	defer st.Keep()
	if err := fetchBlobs(ctx, client, store, st, r.Manifest, o.Watch, &result); err != nil {
		return result, err
	}
	beside, err := besides(ctx, client, from, r, result.Manifest, o.Watch)
	if err != nil {
		return result, err
	}
	if _, err := st.PublishBytes(ctx, name, r.Content); err != nil {
		return result, err
	}
	result.Published = true
	if result.Beside, err = keepBeside(store, result.Manifest, beside); err != nil {
		return result, err
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

// besides is what lies beside a model in the registry and can be kept: the newest word on this very
// manifest. It is another's word, and says so.
func besides(ctx context.Context, client *registry.Client, from registry.Reference, r registry.Remote, d manifest.Digest, w Watcher) (*report.Report, error) {
	if client.Dialect == registry.Ollama {
		return nil, nil
	}
	files, err := client.Attached(ctx, registry.Subject(typeOrDefault(r.MediaType), r.Digest, r.Size), typeReport)
	if err != nil {
		return nil, err
	}
	var kept *report.Report
	for _, f := range files {
		verdict, err := report.Parse(f.Content)
		if err != nil || verdict.Manifest != d.String() {
			notef(w, "note: a report beside %s is left out: it is none on this model", from)
			continue
		}
		if kept == nil || verdict.Level.Covers(kept.Level) {
			verdict.Origin = from.String()
			kept = &verdict
		}
	}
	return kept, nil
}

// typeOrDefault is a media type for the list of referrers, which looks at the digest alone.
func typeOrDefault(mediaType string) string {
	if mediaType == "" {
		return ocispec.MediaTypeImageManifest
	}
	return mediaType
}

// keepBeside keeps what came with a model, where the store has no word of its own on it.
func keepBeside(store *manifest.Store, d manifest.Digest, verdict *report.Report) ([]string, error) {
	if verdict == nil {
		return []string{}, nil
	}
	if own, _ := readVerdict(store, d); own != nil && own.Origin == "" {
		return []string{}, nil
	}
	return []string{"report.json"}, keepVerdict(store, d, verdict)
}
