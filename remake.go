package qimport

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/convert/write"
	"qimport/manifest"
	"qimport/quant"
	"qimport/quant/recipe"
)

// remaker makes blobs of which the digest is known.
type remaker struct {
	src   Source
	stage *manifest.Stage
	facts plan.Facts
	jobs  int
	tries int
}

func newRemaker(ctx context.Context, src Source, stage *manifest.Stage, o RepairOptions) (*remaker, error) {
	facts, err := plan.ReadFacts(ctx, src.Source)
	return &remaker{src: src, stage: stage, facts: facts, jobs: o.Jobs}, err
}

// make makes the blob of a layer, and reports whether the source has made these very bytes.
func (r *remaker) make(ctx context.Context, l manifest.Layer) (bool, error) {
	switch l.MediaType {
	case manifest.MediaTypeTensor:
		return r.tensor(ctx, l)
	case manifest.MediaTypeJSON, manifest.MediaTypeLicense:
		if !slices.Contains(source.CarriedFiles(r.src.Files()), l.Name) {
			return false, nil
		}
		content, err := r.src.File(l.Name)
		if err == nil {
			content, err = plan.StoredFile(r.src.Inventory(), l.Name, content)
		}
		if err != nil {
			return false, err
		}
		return r.put(l, content)
	case manifest.MediaTypeConfig:
		return r.config(l)
	}
	return false, nil
}

// put takes bytes at hand, if they are the right ones.
func (r *remaker) put(l manifest.Layer, content []byte) (bool, error) {
	if manifest.DigestOf(content) != l.Digest {
		return false, nil
	}
	_, err := r.stage.Put(r.key(), l.MediaType, l.Name, content)
	return err == nil, err
}

// key is a new one for each try.
func (r *remaker) key() string {
	r.tries++
	return fmt.Sprint("try ", r.tries)
}

// tensor encodes a blob in every way that gives it its size, until one gives it its digest.
func (r *remaker) tensor(ctx context.Context, l manifest.Layer) (bool, error) {
	for _, b := range r.ways(l) {
		out, err := r.stage.NewBlob(r.key())
		if err != nil {
			return false, err
		}
		made, err := write.Blob(ctx, b, r.src.Source, out, r.jobs)
		if err != nil {
			return false, err
		}
		if made.Digest == l.Digest {
			return true, r.src.Unchanged()
		}
	}
	return false, nil
}

// ways are the plans for one blob that give it its size: its tensors kept as they are, and in each
// format, with plain scales and with searched ones.
func (r *remaker) ways(l manifest.Layer) []plan.Blob {
	inv := r.src.Inventory()
	inv.Tensors = slices.DeleteFunc(slices.Clone(inv.Tensors), func(t source.Tensor) bool {
		return t.Name != l.Name && t.Body != l.Name && !strings.HasPrefix(t.Name, l.Name+".")
	})
	if len(inv.Tensors) == 0 {
		return nil
	}
	seen := map[string]bool{}
	var ways []plan.Blob
	for _, o := range []plan.Options{{}, {ScaleSearch: true}, {Release: true}} {
		o.MTP, o.Facts = plan.MTPKeep, r.facts
		for _, rules := range rulesFor(inv.Tensors) {
			p, err := plan.New(inv, recipe.Recipe{Rules: rules, AllowRequantize: true}, o)
			if err != nil {
				continue // no format for this tensor
			}
			for _, b := range p.Blobs {
				if way := wayOf(b); b.Name == l.Name && b.Bytes == l.Size && !seen[way] {
					seen[way] = true
					ways = append(ways, b)
				}
			}
		}
	}
	return ways
}

// wayOf tells plans for one blob apart.
func wayOf(b plan.Blob) string {
	var way strings.Builder
	for _, t := range b.Tensors {
		fmt.Fprintln(&way, t.Name, t.Target, t.Scale, t.Transform, t.Search, t.Global)
	}
	return way.String()
}

// rulesFor gives all tensors each format in turn; first of all no rule.
func rulesFor(tensors []source.Tensor) [][]recipe.Rule {
	all := [][]recipe.Rule{nil}
	for _, f := range everyFormat() {
		var rules []recipe.Rule
		for _, t := range tensors {
			rules = append(rules, recipe.Rule{Pattern: "re:^" + regexp.QuoteMeta(t.Name) + "$", Format: f, Origin: "repair"})
		}
		all = append(all, rules)
	}
	return all
}

// everyFormat is each that a recipe can ask for.
func everyFormat() []quant.Format {
	names := []string{"bf16", "f16", "f32", "nvfp4", "mxfp8", "mxfp4", "int4", "int8"}
	for _, bits := range []int{2, 3, 4, 5, 6, 8} {
		for _, group := range []int{32, 64, 128} {
			names = append(names, fmt.Sprintf("affine:%d:%d", bits, group))
		}
	}
	var all []quant.Format
	for _, name := range names {
		if f, err := quant.ParseFormat(name); err == nil && !slices.Contains(all, f) {
			all = append(all, f)
		}
	}
	return all
}

// config tries the config blob of every policy and type.
func (r *remaker) config(l manifest.Layer) (bool, error) {
	for _, policy := range []recipe.Policy{recipe.Ollama, recipe.Uniform, recipe.KeepSource} {
		for _, f := range append([]quant.Format{{}}, everyFormat()...) {
			for _, mtp := range []plan.MTP{plan.MTPAuto, plan.MTPKeep, plan.MTPDrop} {
				p, err := plan.New(r.src.Inventory(), recipe.Recipe{Policy: policy, Type: f, AllowRequantize: true}, plan.Options{MTP: mtp, Facts: r.facts})
				if err != nil {
					break
				}
				if ok, err := r.put(l, p.Config.Encode()); ok || err != nil {
					return ok, err
				}
			}
		}
	}
	return false, nil
}
