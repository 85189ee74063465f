package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	goruntime "runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"qimport/internal/untrusted"
	"qimport/manifest"
	"qimport/quant"
	"qimport/verify/report"
)

// blobSteps are the checks that need no MLX. A plain directory has no digests to hold it to.
func (r *run) blobSteps() []step {
	var steps []step
	if r.Path != nil {
		steps = append(steps, step{"blobs.digests", r.checkDigests})
	}
	return append(steps, step{"blobs.tensors", r.checkTensors}, step{"blobs.files", r.checkFiles})
}

// checkDigests reads every blob whole.
func (r *run) checkDigests(ctx context.Context) report.Check {
	if len(r.Blobs) == 0 {
		return fail("the manifest names no blobs")
	}
	findings := make([]error, len(r.Blobs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(goruntime.GOMAXPROCS(0))
	total := int64(0)
	for i, l := range r.Blobs {
		total += l.Size
		g.Go(func() error {
			findings[i] = checkBlob(ctx, l, r.Path(l.Digest))
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return notRun("%v", err)
	}
	if err := errors.Join(findings...); err != nil {
		return fail("%s", sentences(err))
	}
	return pass("%d blobs, %d bytes, each with its size and digest", len(r.Blobs), total)
}

// checkBlob holds a file to the size and digest of its layer.
func checkBlob(ctx context.Context, l manifest.Layer, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("blob %s (%s): %w", l.Digest, layerName(l), err)
	}
	if err := untrusted.CheckRegular(path, info); err != nil {
		return fmt.Errorf("blob %s (%s): %w", l.Digest, layerName(l), err)
	}
	if info.Size() != l.Size {
		return fmt.Errorf("blob %s (%s) has %d bytes, the manifest says %d", l.Digest, layerName(l), info.Size(), l.Size)
	}
	sum, err := hashFile(ctx, path)
	if err != nil {
		return fmt.Errorf("blob %s (%s): %w", l.Digest, layerName(l), err)
	}
	if "sha256:"+sum != l.Digest.String() {
		return fmt.Errorf("blob %s (%s) has the digest sha256:%s: its content was changed", l.Digest, layerName(l), sum)
	}
	return nil
}

// contextReader stops a long read when ctx ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

func layerName(l manifest.Layer) string {
	if l.Name != "" {
		return l.Name
	}
	return l.MediaType[strings.LastIndexByte(l.MediaType, '.')+1:]
}

// checkTensors opens the model, which holds every header, shape and encoding to its config.
func (r *run) checkTensors(context.Context) report.Check {
	source, err := r.Open()
	if err != nil {
		return fail("%s", sentences(err))
	}
	r.source = source
	inv := source.Inventory()
	if len(inv.Tensors) == 0 {
		return fail("the model holds no tensors")
	}
	elements, bytes := 0, int64(0)
	formats := map[quant.Format]bool{}
	for _, t := range inv.Tensors {
		elements += quant.Elements(t.Shape)
		bytes += t.Bytes()
		formats[t.Format] = true
	}
	return pass("%s: %d tensors in %d formats, %d weights of %.2f bits", inv.Config.Family,
		len(inv.Tensors), len(formats), elements, 8*float64(bytes)/float64(elements))
}

// checkFiles holds the JSON files to being JSON, and asks for those that a model cannot do without.
func (r *run) checkFiles(context.Context) report.Check {
	if r.source == nil {
		return notRun("the model did not open")
	}
	var findings []error
	for _, name := range []string{"config.json", "tokenizer.json"} {
		if _, err := r.source.File(name); err != nil {
			findings = append(findings, fmt.Errorf("%s: %w", name, err))
		}
	}
	for _, name := range r.source.Files() {
		if !strings.HasSuffix(name, ".json") {
			continue
		}
		if b, err := r.source.File(name); err != nil {
			findings = append(findings, fmt.Errorf("%s: %w", name, err))
		} else if !json.Valid(b) {
			findings = append(findings, fmt.Errorf("%s is not JSON", name))
		}
	}
	if err := errors.Join(findings...); err != nil {
		return fail("%s", sentences(err))
	}
	return pass("%d files", len(r.source.Files()))
}

// sentences puts joined errors on one line, ten of them at most.
func sentences(err error) string {
	lines := strings.Split(err.Error(), "\n")
	if rest := len(lines) - 10; rest > 0 {
		lines = append(lines[:10], fmt.Sprintf("%d more", rest))
	}
	return strings.Join(lines, "; ")
}
