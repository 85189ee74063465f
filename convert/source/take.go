package source

import (
	"fmt"
	"slices"
	"strings"

	"qimport/arch"
	"qimport/convert/safetensors"
)

// takeInventory makes the inventory of a source from its logical tensors, and holds them to the
// config: stacks whole, names unambiguous, everything there that the model needs, in its shape.
func takeInventory(config arch.Config, files []*safetensors.File, tensors []Tensor) (Inventory, error) {
	inv := Inventory{Config: config, Shards: shardsOf(files)}
	if err := checkBodies(tensors); err != nil {
		return inv, err
	}
	tensors, err := stackExperts(tensors, config.Experts)
	if err != nil {
		return inv, err
	}
	inv.Tensors = tensors
	inv.dropTiedHead()
	if err := inv.checkNeeds(); err != nil {
		return inv, err
	}
	if inv.NormForm, err = formOfConv(config.Family, inv.Tensors); err != nil {
		return inv, err
	}
	if inv.Patches, err = patchesOf(config.VisionChannels, inv.Tensors); err != nil {
		return inv, err
	}
	inv.noteVision()
	inv.Unasked = unasked(config, config.Expected(), inv.Tensors)
	return inv, nil
}

func shardsOf(files []*safetensors.File) []Shard {
	var shards []Shard
	for _, f := range files {
		shards = append(shards, Shard{Name: f.Name(), Path: f.Path, Size: f.Size()})
	}
	return shards
}

// checkBodies refuses two spellings of one tensor, of which a reader would take either.
func checkBodies(tensors []Tensor) error {
	names := map[string]string{}
	for _, t := range tensors {
		if other, twice := names[t.Body]; twice {
			return fmt.Errorf("tensors %s and %s are two spellings of the same tensor", other, t.Name)
		}
		names[t.Body] = t.Name
	}
	return nil
}

func (inv *Inventory) note(format string, args ...any) {
	inv.Notes = append(inv.Notes, fmt.Sprintf(format, args...))
}

// dropTiedHead leaves out an lm_head that the config says is the embedding.
func (inv *Inventory) dropTiedHead() {
	i := slices.IndexFunc(inv.Tensors, func(t Tensor) bool { return t.Role == arch.Head })
	if i >= 0 && inv.Config.Output == arch.HeadTied {
		inv.note("%s is left out: the config ties the head to the embedding", inv.Tensors[i].Name)
		inv.Tensors = slices.Delete(inv.Tensors, i, i+1)
	}
}

// checkNeeds holds the tensors to what the config demands. The first finding is told, the others
// are counted. A prediction head that lacks something is only noted: it can be left out.
func (inv *Inventory) checkNeeds() error {
	have := map[string][]int{}
	for _, t := range inv.Tensors {
		have[t.Body] = t.Shape
	}
	inv.checkHead(have)
	found := inv.Config.Check(have)
	if len(found) == 0 {
		return nil
	}
	rest := ""
	if len(found) > 1 {
		rest = fmt.Sprintf(" (and %d more like it)", len(found)-1)
	}
	f := found[0]
	if t, ok := inv.byBody(f.Body); ok {
		return fmt.Errorf("%s: tensor %s %s%s", inv.Shards[t.Pieces[0].Weight.Shard].Name, t.Name, f.Problem, rest)
	}
	return fmt.Errorf("tensor %s is in no file: it %s%s", inv.spell(f.Body), f.Problem, rest)
}

// checkHead notes what the prediction head lacks, of tensors by body name.
func (inv *Inventory) checkHead(have map[string][]int) {
	if found := inv.Config.CheckMTP(have); len(found) > 0 {
		inv.HeadFlaw = found[0].Body + " " + found[0].Problem
		inv.note("the mtp head is not whole: %s", inv.HeadFlaw)
	}
}

func (inv *Inventory) byBody(body string) (Tensor, bool) {
	i := slices.IndexFunc(inv.Tensors, func(t Tensor) bool { return t.Body == body })
	if i < 0 {
		return Tensor{}, false
	}
	return inv.Tensors[i], true
}

// spell is the name that a missing tensor would have, with the containers of its neighbours.
func (inv *Inventory) spell(body string) string {
	if body == "lm_head.weight" {
		return body
	}
	for _, t := range inv.Tensors {
		if container, ok := strings.CutSuffix(t.Name, t.Body); ok && strings.HasPrefix(t.Body, "layers.") {
			return container + body
		}
	}
	return body
}

func (inv *Inventory) noteVision() {
	has := slices.ContainsFunc(inv.Tensors, func(t Tensor) bool { return t.Role == arch.Vision })
	switch {
	case has && !inv.Config.HasVision:
		inv.note("there are vision tensors, but the config has no vision_config: a runner may refuse the model")
	case !has && inv.Config.HasVision:
		inv.note("the config has a vision_config, but there are no vision tensors: a runner may refuse the model")
	}
}
