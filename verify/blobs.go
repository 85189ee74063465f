package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize/english"

	"qimport/arch/files"
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

// checkDigests reads every blob whole: names and sizes do not show a bit that a disk or a copy lost.
func (r *run) checkDigests(ctx context.Context) report.Check {
	if len(r.Blobs) == 0 {
		return fail("the manifest names no blobs")
	}
	damage, err := manifest.CheckBlobs(ctx, r.Blobs, r.Path, nil)
	if err != nil {
		return notRun("%v", err)
	}
	if len(damage) > 0 {
		return fail("%s: import or pull it again", sentences(manifest.CheckResult{Damage: damage}.Err()))
	}
	total := int64(0)
	for _, l := range r.Blobs {
		total += l.Size
	}
	return pass("%d blobs, %d bytes, each with its size and digest", len(r.Blobs), total)
}

// checkTensors opens the model, which holds every header, shape and encoding to its config. That reads
// headers alone, so it costs the same for a model of any size; the checks after it use what is open.
func (r *run) checkTensors(context.Context) report.Check {
	opened, err := r.Open()
	if err != nil {
		return fail("%s", sentences(err))
	}
	r.source = opened
	inv := opened.Inventory()
	r.tower = hasTower(inv)
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
	r.report.Weights = &report.Weights{Count: elements, Bytes: bytes}
	return pass("%s: %s in %s, %d weights of %.2f bits", inv.Config.Family,
		english.Plural(len(inv.Tensors), "tensor", ""), english.Plural(len(formats), "format", ""), elements, 8*float64(bytes)/float64(elements))
}

// checkFiles holds the JSON files to being JSON, and asks for those that a model cannot do without.
// All findings are told at once: a copy that broke one file often broke more.
func (r *run) checkFiles(context.Context) report.Check {
	if r.source == nil {
		return notRun("the model did not open")
	}
	var findings []error
	for _, name := range []string{files.Config, files.Tokenizer} {
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
	return pass("%s", english.Plural(len(r.source.Files()), "file", ""))
}
