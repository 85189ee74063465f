package qimport

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"qimport/convert/calibration"
	"qimport/convert/modelfile"
	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/convert/write"
	"qimport/manifest"
	"qimport/quant"
	"qimport/quant/recipe"
	"qimport/verify/report"
)

// remaker makes blobs of which the digest is known.
type remaker struct {
	src     Source
	stage   *manifest.Stage
	facts   plan.Facts
	options RepairOptions
	by      *calibration.Calibration // nil for none
	parts   plan.Parts               // as the Modelfile names them
	laid    map[string][][]byte      // what it says, by media type
	tries   int
}

func newRemaker(ctx context.Context, src Source, stage *manifest.Stage, lay modelfile.Model, o RepairOptions) (*remaker, error) {
	facts, err := plan.ReadFacts(ctx, src.Source)
	if err != nil {
		return nil, err
	}
	r := &remaker{src: src, stage: stage, facts: facts, options: o, parts: partsOf(lay)}
	if r.by, err = readCalibration(src, o.Calibration); err != nil {
		return nil, err
	}
	r.laid, err = toldTexts(lay)
	return r, err
}

// make makes the blob of a layer, and reports whether the source has made these very bytes.
func (r *remaker) make(ctx context.Context, l damagedLayer) (bool, error) {
	switch {
	case l.MediaType == manifest.MediaTypeTensor:
		return r.tensor(ctx, l.Layer)
	case l.MediaType == manifest.MediaTypeConfig:
		return r.config(l)
	case isLaid(l.Layer):
		return r.overlay(l.Layer)
	case l.MediaType == manifest.MediaTypeJSON || l.MediaType == manifest.MediaTypeLicense:
		return r.file(l.Layer)
	}
	return false, nil
}

// isLaid says whether a layer is none of the source's: a licence of those has the name of its file.
func isLaid(l manifest.Layer) bool {
	return slices.Contains(manifest.LaidOver(), l.MediaType) && (l.MediaType != manifest.MediaTypeLicense || l.Name == "")
}

// overlay makes what the Modelfile says.
func (r *remaker) overlay(l manifest.Layer) (bool, error) {
	for _, text := range r.laid[l.MediaType] {
		if ok, err := r.put(l, text); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// file makes what was carried along.
func (r *remaker) file(l manifest.Layer) (bool, error) {
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
		made, err := write.Blob(ctx, b, r.src.Source, out, r.options.Jobs)
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
// format, with plain scales, with searched ones, and with those of the calibration.
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
	options := []plan.Options{{}, {ScaleSearch: true}, {Release: true}, {Release: true, ScaleSearch: true}}
	if r.by != nil {
		for _, o := range []plan.Options{{}, {Release: true}, {Feedback: true}, {Release: true, Feedback: true}} {
			o.ScaleSearch, o.Calibration = true, r.by
			options = append(options, o)
		}
	}
	for _, o := range options {
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
		fmt.Fprintln(&way, t.Name, t.Target, t.Scale, t.Transform, t.Search, t.Weights != nil, t.Moments.Known(), t.Global)
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

// config tries the config blob of every policy and type, with the parts that the model is known to have
// had, those of the Modelfile, and the usual ones.
func (r *remaker) config(l damagedLayer) (bool, error) {
	asked := []plan.Parts{r.parts}
	for _, p := range l.of {
		asked = append(asked, plan.Parts{Parser: p.Parser, Renderer: p.Renderer, Requires: p.Requires})
	}
	asked = append(asked, plan.Parts{})
	for i, parts := range asked {
		if slices.Contains(asked[:i], parts) {
			continue
		}
		if ok, err := r.configWith(l.Layer, parts); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (r *remaker) configWith(l manifest.Layer, parts plan.Parts) (bool, error) {
	for _, policy := range []recipe.Policy{recipe.Ollama, recipe.Uniform, recipe.KeepSource} {
		for _, f := range append([]quant.Format{{}}, everyFormat()...) {
			for _, mtp := range []plan.MTP{plan.MTPAuto, plan.MTPKeep, plan.MTPDrop} {
				o := plan.Options{MTP: mtp, Facts: r.facts, Parts: parts}
				p, err := plan.New(r.src.Inventory(), recipe.Recipe{Policy: policy, Type: f, AllowRequantize: true}, o)
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

// partsOf are those that a Modelfile names.
func partsOf(m modelfile.Model) plan.Parts {
	return plan.Parts{Parser: m.Parser, Renderer: m.Renderer, Requires: m.Requires}
}

// why says what may be wanting where a layer was not made, by what is known of the models that need it.
func (r *remaker) why(l damagedLayer) string {
	if isLaid(l.Layer) {
		return ": it was laid over the model; --modelfile names a file with the same"
	}
	for _, p := range l.of {
		if says := r.wants(p); says != "" {
			return ": " + says
		}
	}
	return ""
}

// wants says with what else a model was made than what is at hand.
func (r *remaker) wants(p past) string {
	if !p.known {
		return fmt.Sprintf("how %s was made was not kept; --adapter, --mtp-from, --calibration and --modelfile say what else it was made from", p.name)
	}
	if p.Source != r.src.Label() {
		return fmt.Sprintf("%s was imported from %s", p.name, p.Source)
	}
	var has []report.Adapter
	inv := r.src.Inventory()
	for _, a := range inv.Adapters {
		has = append(has, report.Adapter{Scale: a.Scale, SHA256: inv.Shards[a.Shard].SHA256, Config: a.Config})
	}
	for i, a := range p.Adapters {
		if i >= len(has) || has[i].Scale != a.Scale || has[i].SHA256 != a.SHA256 || has[i].Config != a.Config {
			return fmt.Sprintf("%s was made with the adapter %s, scale %g, sha256 %s: name it with --adapter", p.name, a.Name, a.Scale, a.SHA256)
		}
	}
	switch {
	case len(has) > len(p.Adapters):
		return fmt.Sprintf("%s was made with fewer adapters", p.name)
	case p.Calibration != "" && (r.by == nil || r.by.Digest != p.Calibration):
		return fmt.Sprintf("%s has scales searched by the calibration %s: name its file with --calibration", p.name, p.Calibration)
	case p.MTPFrom != "" && r.options.MTPFrom == "":
		return fmt.Sprintf("%s has the multi-token-prediction head of %s: name it with --mtp-from", p.name, p.MTPFrom)
	}
	return ""
}
