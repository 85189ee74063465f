package qimport

import (
	"context"
	"errors"
	"fmt"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"qimport/manifest"
	"qimport/manifest/registry"
)

// ErrDialect marks a registry that speaks Ollama's dialect, where that is not enough.
var ErrDialect = errors.New("the registry speaks Ollama's dialect")

// PushOptions say how to push.
type PushOptions struct {
	ModelPack bool  // ModelPack's media types, in place of the store's
	PlainHTTP *bool // nil: http to this machine alone
	Jobs      int   // blobs at a time; 0 for registry.DefaultJobs
	Watch     Watcher
}

// PushResult is what a push did, as scripts read it.
type PushResult struct {
	Schema    int                `json:"schema"`
	Name      manifest.Name      `json:"name"`
	Manifest  manifest.Digest    `json:"manifest"` // in the store
	Reference registry.Reference `json:"reference"`
	Pushed    manifest.Digest    `json:"pushed"` // in the registry: the same, but with ModelPack
	ModelPack bool               `json:"modelpack"`
	Blobs     int                `json:"blobs"`
	Sent      int64              `json:"bytes_sent"`
	Reused    int64              `json:"bytes_reused"` // that were there already
	Beside    []string           `json:"beside"`       // what was attached
	Seconds   float64            `json:"seconds"`
}

// Push brings a model to a registry: its blobs, then what names them, then what is kept beside it. What the
// registry has already is not sent.
func Push(ctx context.Context, store *manifest.Store, name manifest.Name, to registry.Reference, o PushOptions) (PushResult, error) {
	start := time.Now()
	e, content, err := store.Content(name)
	if err != nil {
		return PushResult{}, err
	}
	result := PushResult{Schema: 1, Name: e.Name, Manifest: e.Digest, Reference: to, ModelPack: o.ModelPack, Blobs: len(e.Manifest.Blobs()), Beside: []string{}}
	client, err := connect(ctx, to, o.PlainHTTP, o.Jobs)
	if err != nil {
		return result, err
	}
	defer client.Close()
	if client.Dialect == registry.Ollama {
		return result, fmt.Errorf("%w, which takes what Ollama has signed: %s has no /v2/, as every OCI registry has; ollama push sends %s there", ErrDialect, to.Registry, e.Name)
	}
	form := pushed{e.Manifest.MediaType, content}
	if o.ModelPack {
		if form, err = packed(ctx, client, store, e, content); err != nil {
			return result, err
		}
	}
	progress := begin(o.Watch, "push")
	sent, err := client.Send(ctx, store, e.Manifest.Blobs(), progress.Bytes)
	progress.End()
	result.Sent, result.Reused = sent.Bytes, sent.Reused
	if err != nil {
		return result, err
	}
	if err := client.Point(ctx, form.mediaType, form.content); err != nil {
		return result, err
	}
	result.Pushed = manifest.DigestOf(form.content)
	result.Beside, err = attach(ctx, client, store, e.Digest, registry.Subject(form.mediaType, result.Pushed, int64(len(form.content))), o.Watch)
	if err != nil {
		return result, fmt.Errorf("%s was pushed, but not all that is kept beside it: %w", e.Name, err)
	}
	result.Seconds = time.Since(start).Seconds()
	return result, nil
}

// pushed is a manifest as a registry gets it.
type pushed struct {
	mediaType string
	content   []byte
}

// connect finds a registry, on terms that a push and a pull have in common.
func connect(ctx context.Context, ref registry.Reference, plain *bool, jobs int) (*registry.Client, error) {
	if jobs < 0 {
		return nil, optionsf("--jobs %d: it is a number of blobs at a time, or 0 for %d", jobs, registry.DefaultJobs)
	}
	return registry.Connect(ctx, ref, registry.Options{PlainHTTP: plain, Jobs: jobs})
}

// packed is a model's manifest in ModelPack's form. The blobs that this form alone needs are sent.
func packed(ctx context.Context, client *registry.Client, store *manifest.Store, e manifest.Entry, content []byte) (pushed, error) {
	pack, config, err := registry.Pack(e.Name, content, e.Manifest, readConfig(store, e.Manifest))
	if err != nil {
		return pushed{}, err
	}
	for _, b := range [][]byte{config, content} {
		if err := client.SendBytes(ctx, b); err != nil {
			return pushed{}, err
		}
	}
	return pushed{ocispec.MediaTypeImageManifest, pack}, nil
}
