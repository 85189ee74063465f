package qimport

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"qimport/convert/modelfile"
	"qimport/manifest"
	"qimport/verify/report"
)

// RepairOptions say what to repair from.
type RepairOptions struct {
	Source    string   // a directory, or org/name[@revision]
	Adapters  []string // that were fused into it: SOURCE or SOURCE=SCALE
	MTPFrom   string   // SOURCE of the head that it was given
	Modelfile string   // file with what was laid over it
	// Calibration is the file by which its scales were searched.
	Calibration string
	Jobs        int // pieces worked on at a time; 0 for one a core
	Watch       Watcher
}

// RepairResult is what a repair found and did.
type RepairResult struct {
	Found    manifest.CheckResult // as the store was
	Repaired []manifest.Damage
	Left     []manifest.Damage // what the source does not make
}

// Err joins what is damaged still, each a manifest.ErrDamaged.
func (r RepairResult) Err() error { return manifest.CheckResult{Damage: r.Left}.Err() }

// Check reads the whole store, and compares every blob with its digest, and signed statements with the
// manifests that they lie beside.
func Check(ctx context.Context, store *manifest.Store, w Watcher) (manifest.CheckResult, error) {
	progress := begin(w, "check")
	defer progress.End()
	r, err := store.Check(ctx, progress.Bytes)
	if err != nil {
		return r, err
	}
	statements, damage := checkStatements(store)
	r.Statements, r.Damage = statements, append(r.Damage, damage...)
	return r, nil
}

// Repair reads the whole store, and makes damaged and missing blobs again from the source that they were
// imported from. How each tensor was encoded need not be known: the digest says when it is right, so
// that every format of the right size is tried.
func Repair(ctx context.Context, store *manifest.Store, o RepairOptions) (r RepairResult, err error) {
	lay, err := Laid{Modelfile: o.Modelfile}.model("")
	if err != nil {
		return r, err
	}
	adapters, err := parseAdapters("", o.Adapters)
	if err != nil {
		return r, err
	}
	src, err := openWhole(ctx, o.Source, o.MTPFrom, adapters, o.Watch) // that it cannot be read is known before hours of reading
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
		if made, err = remake(ctx, store, src, wanted, lay, o); err != nil {
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

// damagedLayer is a layer of which the blob is damaged, and whose it is.
type damagedLayer struct {
	manifest.Layer
	of []past
}

// past is a model, and what is known of how it was made.
type past struct {
	name  manifest.Name
	known bool
	report.Provenance
}

func pastOf(store *manifest.Store, e manifest.Entry) past {
	p := past{name: e.Name}
	if kept, err := KeptVerdict(store, e.Digest); err == nil && kept != nil { // one that cannot be read tells nothing
		p.known, p.Provenance = kept.Provenance.Source != "", kept.Provenance
	}
	return p
}

// damagedLayers are the layers of damaged blobs that names need, each blob once.
func damagedLayers(store *manifest.Store, damage []manifest.Damage) []damagedLayer {
	bad, at := map[string]bool{}, map[string]int{}
	for _, d := range damage {
		bad[filepath.Base(d.Path)] = len(d.Names) > 0
	}
	entries, _ := store.List() // what cannot be read is among the damage
	var layers []damagedLayer
	for _, e := range entries {
		of := pastOf(store, e)
		for _, l := range e.Manifest.Blobs() {
			name := l.Digest.FileName()
			if !bad[name] {
				continue
			}
			if _, known := at[name]; !known {
				at[name] = len(layers)
				layers = append(layers, damagedLayer{Layer: l})
			}
			layers[at[name]].of = append(layers[at[name]].of, of)
		}
	}
	return layers
}

// remake makes what it can of the wanted layers, and puts it in the place of what is damaged.
func remake(ctx context.Context, store *manifest.Store, src Source, wanted []damagedLayer, lay modelfile.Model, o RepairOptions) ([]manifest.Layer, error) {
	stage, err := store.AwaitStage(ctx, "repair", func() { notef(o.Watch, "another qimport is repairing %s; waiting for it", store.Root()) })
	if err != nil {
		return nil, err
	}
	defer stage.Discard()
	var doubted []manifest.Layer
	for _, l := range wanted {
		doubted = append(doubted, l.Layer)
	}
	if err := stage.Doubt(doubted); err != nil {
		return nil, err
	}
	maker, err := newRemaker(ctx, src, stage, lay, o)
	if err != nil {
		return nil, err
	}
	var made []manifest.Layer
	for _, l := range wanted {
		notef(o.Watch, "making %s anew", layerTitle(l.Layer))
		ok, err := maker.make(ctx, l)
		if err != nil {
			return nil, err
		}
		if ok {
			made = append(made, l.Layer)
		} else {
			notef(o.Watch, "%s does not make the blob of %s%s", src.Label(), layerTitle(l.Layer), maker.why(l))
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
