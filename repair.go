package qimport

import (
	"context"
	"fmt"
	"path/filepath"
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

// RepairOptions say what to repair from.
type RepairOptions struct {
	Source string // a directory, or org/name[@revision]
	Jobs   int    // pieces worked on at a time; 0 for one a core
	Watch  Watcher
}

// RepairResult is what a repair found and did.
type RepairResult struct {
	Found    manifest.CheckResult // as the store was
	Repaired []manifest.Damage
	Left     []manifest.Damage // what the source does not make
}

// Err joins what is damaged still, each a manifest.ErrDamaged.
func (r RepairResult) Err() error { return manifest.CheckResult{Damage: r.Left}.Err() }

// Check reads the whole store, and compares every blob with its digest.
func Check(ctx context.Context, store *manifest.Store, w Watcher) (manifest.CheckResult, error) {
	progress := begin(w, "check")
	defer progress.End()
	return store.Check(ctx, progress.Bytes)
}

// Repair reads the whole store, and makes damaged and missing blobs again from the source that they were
// imported from. How each tensor was encoded need not be known: the digest says when it is right, so
// that every format of the right size is tried.
func Repair(ctx context.Context, store *manifest.Store, o RepairOptions) (r RepairResult, err error) {
	src, err := OpenSource(ctx, o.Source, o.Watch) // that it cannot be read is known before hours of reading
	if err != nil {
		return r, err
	}
	defer src.Close()
	if r.Found, err = Check(ctx, store, o.Watch); err != nil {
		return r, err
	}
	wanted := damagedLayers(store, r.Found.Damage)
	var made []manifest.Layer
	if len(wanted) > 0 {
		if made, err = remake(ctx, store, src, wanted, o); err != nil {
			return r, err
		}
	}
	for _, d := range r.Found.Damage {
		if slices.ContainsFunc(made, func(l manifest.Layer) bool { return store.Blob(l.Digest) == d.Path }) {
			r.Repaired = append(r.Repaired, d)
		} else {
			r.Left = append(r.Left, d)
		}
	}
	return r, nil
}

// damagedLayers are the layers of damaged blobs that names need, each blob once.
func damagedLayers(store *manifest.Store, damage []manifest.Damage) []manifest.Layer {
	bad := map[string]bool{}
	for _, d := range damage {
		bad[filepath.Base(d.Path)] = len(d.Names) > 0
	}
	entries, _ := store.List() // what cannot be read is among the damage
	var layers []manifest.Layer
	for _, e := range entries {
		for _, l := range e.Manifest.Blobs() {
			if bad[l.Digest.FileName()] {
				bad[l.Digest.FileName()] = false
				layers = append(layers, l)
			}
		}
	}
	return layers
}

// remake makes what it can of the wanted layers, and puts it in the place of what is damaged.
func remake(ctx context.Context, store *manifest.Store, src Source, wanted []manifest.Layer, o RepairOptions) ([]manifest.Layer, error) {
	stage, err := store.AwaitStage(ctx, "repair", func() { notef(o.Watch, "another qimport is repairing %s; waiting for it", store.Root()) })
	if err != nil {
		return nil, err
	}
	defer stage.Discard()
	if err := stage.Doubt(wanted); err != nil {
		return nil, err
	}
	maker, err := newRemaker(ctx, src, stage, o)
	if err != nil {
		return nil, err
	}
	var made []manifest.Layer
	for _, l := range wanted {
		notef(o.Watch, "making %s anew", layerTitle(l))
		ok, err := maker.make(ctx, l)
		if err != nil {
			return nil, err
		}
		if ok {
			made = append(made, l)
		} else {
			notef(o.Watch, "%s does not make the blob of %s", src.Label(), layerTitle(l))
		}
	}
	return made, stage.Place(ctx, made)
}

// layerTitle is a layer for people.
func layerTitle(l manifest.Layer) string {
	if l.Name != "" {
		return l.Name
	}
	return l.MediaType[strings.LastIndexAny(l.MediaType, "./")+1:]
}

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
