package export

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"qimport/arch"
	"qimport/arch/files"
	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/quant"
	"qimport/quant/recipe"
)

// exportPlan is what an export writes.
type exportPlan struct {
	shards []exportShard
	files  map[string][]byte
	halves map[string]half // tensors that are half of a fused stack of experts
	notes  []string
}

func (x exportPlan) bytesRead() int64 {
	var n int64
	for _, s := range x.shards {
		for _, t := range s.tensors {
			n += t.From.Bytes()
		}
	}
	return n
}

// planExport decides names, forms and places. Formats stay as the source has them, as nearly as MLX
// can hold them.
func planExport(ctx context.Context, src *source.Source) (exportPlan, error) {
	facts, err := plan.ReadFacts(ctx, src)
	if err != nil {
		return exportPlan{}, err
	}
	inv := src.Inventory()
	x := exportPlan{halves: map[string]half{}}
	axes := inv
	axes.Patches = source.NoPatches // the store's order of axes is not this form's
	planned, dropped, err := plan.Tensors(axes, recipe.Recipe{}, plan.Options{MTP: plan.MTPDrop, Facts: facts})
	if err != nil {
		return exportPlan{}, err
	}
	if len(dropped) > 0 {
		x.notes = append(x.notes, fmt.Sprintf("the %d tensors of the MTP head are left out, as mlx-lm leaves them out", len(dropped)))
	}
	var tensors []plan.Tensor
	for _, t := range planned {
		tensors = append(tensors, x.split(exported(inv, t))...)
	}
	slices.SortFunc(tensors, func(a, b plan.Tensor) int { return strings.Compare(a.Name, b.Name) })
	x.notes = append(x.notes, noteForm(inv, tensors)...)
	x.notes = append(x.notes, noteGlobalScales(tensors)...)
	x.shards = cutShards(tensors)
	var left []string
	x.files, left, err = exportFiles(src, x.shards)
	if err == nil {
		err = x.noteConfig(src)
	}
	if len(left) > 0 {
		x.notes = append(x.notes, fmt.Sprintf("files in folders of their own are left out, for which mlx-community has no place: %s", strings.Join(left, ", ")))
	}
	return x, err
}

// exported gives a tensor the name and form of mlx-community.
func exported(inv source.Inventory, t plan.Tensor) plan.Tensor {
	t.Name = exportName(inv.Config.Family, t.From.Body)
	if t.Global { // mlx-lm's layers have no place for a global scale; bf16 holds the numbers
		t.Global, t.Transform, t.Target = false, plan.Decode, quant.FormatBF16
		t.Bytes = int64(quant.Elements(t.Shape) * quant.BF16.Size())
	}
	switch {
	case inv.NormForm == arch.NormsRaw && arch.ZeroCentred(t.From.Body):
		t.Transform = plan.AddOne
	case inv.NormForm == arch.NormsRaw && t.From.Role == arch.Conv && len(t.Shape) == 3: // [C, 1, K]
		t.Shape = []int{t.Shape[0], t.Shape[2], t.Shape[1]}
	case inv.Patches == source.ChannelsFirst && len(t.Shape) == 5 && t.From.Role == arch.Vision:
		s := t.Shape
		t.Transform, t.Shape = plan.ChannelsToBack, []int{s[0], s[2], s[3], s[4], s[1]}
	}
	return t
}

// exportName is the name that mlx-lm, and mlx-vlm for the vision tower, give a tensor.
func exportName(f arch.Family, body string) string {
	body = strings.Replace(body, ".mlp.experts.", ".mlp.switch_mlp.", 1)
	nested := f.Nested()
	vision, isVision := strings.CutPrefix(body, "visual.")
	switch {
	case isVision:
		return "vision_tower." + vision
	case strings.HasPrefix(body, "lm_head.") && nested:
		return "language_model." + body
	case strings.HasPrefix(body, "lm_head."):
		return body
	case nested:
		return "language_model.model." + body
	}
	return "model." + body
}

// modulePath is the path of a tensor's module, as the config names it.
func modulePath(name string) string { return strings.TrimSuffix(name, ".weight") }

// split makes two tensors of fused gate_up_proj experts, gate first, and gives expert stacks the
// suffix that modules have.
func (x *exportPlan) split(t plan.Tensor) []plan.Tensor {
	stem, fused := strings.CutSuffix(t.Name, ".switch_mlp.gate_up_proj")
	if !fused {
		if t.From.Role == arch.Expert && !strings.HasSuffix(t.Name, ".weight") {
			t.Name += ".weight"
		}
		return []plan.Tensor{t}
	}
	var out []plan.Tensor
	for i, p := range []string{"gate_proj", "up_proj"} {
		h := t
		h.Name = stem + ".switch_mlp." + p + ".weight"
		h.Shape = []int{t.Shape[0], t.Shape[1] / 2, t.Shape[2]}
		x.halves[h.Name] = half{whole: t.From, second: i == 1}
		h.From = halfTensor(t.From, h)
		if layout, err := h.Target.Layout(h.Shape, h.Scale); err == nil {
			h.Bytes = layout.Bytes()
		}
		out = append(out, h)
	}
	return out
}

// exportFiles are the files beside the shards: config and index made anew, all others as they are.
// Those in folders are left out.
func exportFiles(src *source.Source, shards []exportShard) (content map[string][]byte, left []string, err error) {
	content = map[string][]byte{}
	for _, name := range source.CarriedFiles(src.Files()) {
		if filepath.Base(name) != name {
			left = append(left, name)
			continue
		}
		b, err := src.File(name)
		if err != nil {
			return nil, nil, err
		}
		content[name] = b
	}
	delete(content, "hf_quant_config.json") // said in config.json from now on
	config, err := exportConfig(content[files.Config], shards)
	if err != nil {
		return nil, nil, fmt.Errorf("config.json: %w", err)
	}
	content[files.Config] = config
	content["model.safetensors.index.json"], err = exportIndex(shards)
	return content, left, err
}

// noteConfig says that config.json is another one than the model's.
func (x *exportPlan) noteConfig(src *source.Source) error {
	was, err := src.File(files.Config)
	if err == nil && !bytes.Equal(was, x.files[files.Config]) {
		x.notes = append(x.notes, "config.json says in MLX's words which tensors are quantized and how, in place of its own: an import of this directory has another config.json than the model")
	}
	return err
}

// noteGlobalScales says how many tensors grow because mlx-lm has no place for their global scale.
func noteGlobalScales(tensors []plan.Tensor) []string {
	count := 0
	for _, t := range tensors {
		if t.Source.Mode == quant.NVFP4 && t.Transform == plan.Decode {
			count++
		}
	}
	if count == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d nvfp4 tensors have a global scale, for which mlx-lm has no place: they are written as bf16, which holds their numbers, and an import of this directory makes other blobs of them", count)}
}
