package write

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"qimport/convert/encode"
	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/manifest"
)

// Weights is what writing needs of a source. *Source is one.
type Weights interface {
	encode.Pieces
	// File reads one of the model's other files.
	File(name string) ([]byte, error)
	// Unchanged says whether the files are still those that were opened.
	Unchanged() error
}

// Options say how to carry out a plan; nothing of it shows in the bytes that are written.
type Options struct {
	Jobs     int                   // chunks worked on at a time; 0 for one a core
	Progress func(encode.Progress) // called often, by one goroutine at a time; nil for none
	Index    *Index                // blobs of earlier imports; nil for none
}

// Stats is what writing did.
type Stats struct {
	Tensors      int
	BytesRead    int64 // of the source's tensors
	BytesWritten int64 // of blobs, config and files included
	BytesReused  int64 // of blobs that were there already
	BlobsWritten int   // as BytesWritten counts them
	BlobsReused  int
	Gains        []encode.Gain // of the tensors whose scales were searched, the largest first
	Findings     []string      // about values that should not be as they are, of what was not there already
}

// Plus is what both did.
func (s Stats) Plus(o Stats) Stats {
	s.Tensors += o.Tensors
	s.BytesRead += o.BytesRead
	s.BytesWritten += o.BytesWritten
	s.BytesReused += o.BytesReused
	s.BlobsWritten += o.BlobsWritten
	s.BlobsReused += o.BlobsReused
	s.Gains = slices.Concat(s.Gains, o.Gains)
	s.Findings = slices.Concat(s.Findings, o.Findings)
	return s
}

// Blobs carries a plan out: it reads, encodes, hashes and writes over all cores at once, in memory
// that does not grow with the model, and returns the manifest of the blobs that are then on the disk
// in the stage. It publishes nothing. The bytes are the same for every number of jobs.
//
// Blobs that the stage or the index vouches for are not written again. When ctx ends, Write stops
// within a chunk; what is finished stays in the stage for the next run.
func Blobs(ctx context.Context, plan plan.Plan, src Weights, stage *manifest.Stage, opts Options) (manifest.Manifest, Stats, error) {
	keys, err := blobKeys(plan)
	if err != nil {
		return manifest.Manifest{}, Stats{}, err
	}
	w := newWriter(plan, src, stage, opts)
	layers, err := w.blobs(ctx, plan, keys)
	if err != nil {
		return manifest.Manifest{}, w.stats, err
	}
	files, config, err := w.files(ctx, plan)
	if err != nil {
		return manifest.Manifest{}, w.stats, err
	}
	w.meter.Flushing()
	if err := stage.Flush(ctx); err != nil {
		return manifest.Manifest{}, w.stats, err
	}
	if err := src.Unchanged(); err != nil {
		return manifest.Manifest{}, w.stats, err
	}
	if opts.Index != nil {
		for i, key := range keys {
			opts.Index.Add(key, layers[i])
		}
	}
	return manifest.New(config, append(layers, files...)), w.done(plan), nil
}

// done is what writing a plan did, with what is known of it only at the end.
func (w *writer) done(p plan.Plan) Stats {
	w.stats.BytesRead, w.stats.Gains, w.stats.Findings = w.meter.Read(), w.engine.Gains(p), w.engine.Findings(p)
	return w.stats
}

// writer carries out one plan.
type writer struct {
	src    Weights
	stage  *manifest.Stage
	index  *Index
	engine *encode.Engine
	meter  *encode.Meter

	mu    sync.Mutex // guards what follows
	stats Stats
}

func newWriter(plan plan.Plan, src Weights, stage *manifest.Stage, opts Options) *writer {
	meter := encode.NewMeter(plan.Totals().BytesRead, opts.Progress)
	return &writer{src: src, stage: stage, index: opts.Index, meter: meter, engine: encode.NewEngine(src, opts.Jobs, meter)}
}

// blobs writes all blobs, the largest first: one core hashes a blob, and a large one left for the end
// would keep the others waiting. It returns their layers in the plan's order.
func (w *writer) blobs(ctx context.Context, plan plan.Plan, keys []blobKey) ([]manifest.Layer, error) {
	order := make([]int, len(plan.Blobs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(plan.Blobs[b].Bytes, plan.Blobs[a].Bytes) })
	layers := make([]manifest.Layer, len(plan.Blobs))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := w.flushNowAndThen(ctx, cancel)
	g, work := errgroup.WithContext(ctx)
	g.SetLimit(w.engine.AtOnce())
	for _, i := range order {
		g.Go(func() (err error) {
			if err := work.Err(); err != nil {
				return err
			}
			layers[i], err = w.blob(work, plan.Blobs[i], keys[i])
			return err
		})
	}
	err := g.Wait()
	if flushErr := stop(); flushErr != nil { // then err only says that the rest was stopped
		err = flushErr
	}
	return layers, err
}

// files writes the files that are carried along, and the config blob.
func (w *writer) files(ctx context.Context, plan plan.Plan) (layers []manifest.Layer, config manifest.Layer, err error) {
	var licences []manifest.Layer // Ollama has them last
	for _, name := range plan.Files {
		content, err := w.src.File(name)
		if err == nil {
			content, err = plan.Stored(name, content)
		}
		if err != nil {
			return nil, config, err
		}
		l, err := w.file(ctx, MediaType(name), name, content)
		if err != nil {
			return nil, config, err
		}
		if l.MediaType == manifest.MediaTypeLicense {
			licences = append(licences, l)
			continue
		}
		layers = append(layers, l)
	}
	layers = append(layers, licences...)
	config, err = w.file(ctx, manifest.MediaTypeConfig, "", plan.Config.Encode())
	return layers, config, err
}

// MediaType is the type of the layer that a file becomes.
func MediaType(name string) string {
	if source.IsLicence(name) {
		return manifest.MediaTypeLicense
	}
	return manifest.MediaTypeJSON
}

// file writes one blob from bytes at hand, unless it is there already.
func (w *writer) file(ctx context.Context, mediaType, name string, content []byte) (manifest.Layer, error) {
	l := manifest.Layer{MediaType: mediaType, Digest: manifest.DigestOf(content), Size: int64(len(content)), Name: name}
	key := fmt.Sprintf("file %s %s", name, l.Digest)
	if l, ok := w.stage.Done(key); ok {
		w.count(l, true)
		return l, nil
	}
	if w.index != nil && w.stage.Reuse(ctx, key, l) {
		w.count(l, true)
		return l, nil
	}
	l, err := w.stage.Put(key, mediaType, name, content)
	if err == nil {
		w.count(l, false)
	}
	return l, err
}

// count adds a finished blob to the statistics.
func (w *writer) count(l manifest.Layer, reused bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if reused {
		w.stats.BytesReused += l.Size
		w.stats.BlobsReused++
	} else {
		w.stats.BytesWritten += l.Size
		w.stats.BlobsWritten++
	}
}
