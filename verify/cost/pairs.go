package cost

import (
	"regexp"
	"strings"

	"qimport/arch"
	"qimport/convert/source"
	"qimport/quant"
)

// pairs matches the model's tensors with the reference's by the part they play, whichever form
// either checkpoint has. alone are tensors of the model that the reference has not.
func pairs(ours, reference *source.Source) (matched []tensorPair, alone []string) {
	ourInv, refInv := ours.Inventory(), reference.Inventory()
	source := map[string]elements{}
	for _, t := range refInv.Tensors {
		e := elementsOf(reference, t)
		source[canonical(t.Body)] = e
		if stem, ok := strings.CutSuffix(canonical(t.Body), "gate_up_proj"); ok {
			source[stem+"gate_proj"], source[stem+"up_proj"] = e.half(0), e.half(1)
		}
	}
	for _, t := range ourInv.Tensors {
		if t.Role == arch.Vision && ourInv.Patches != refInv.Patches {
			continue // the one tensor whose axes differ is not of the text model
		}
		key, e := canonical(t.Body), elementsOf(ours, t)
		if from, ok := source[key]; ok {
			p := tensorPair{name: t.Name, ours: e, source: from}
			p.ourShift, p.sourceShift = shifts(t, ourInv, refInv)
			matched = append(matched, p)
			continue
		}
		stem, fused := strings.CutSuffix(key, "gate_up_proj")
		gate, ok := source[stem+"gate_proj"]
		if !fused || !ok {
			alone = append(alone, t.Name)
			continue
		}
		matched = append(matched, tensorPair{name: t.Name + " (gate)", ours: e.half(0), source: gate},
			tensorPair{name: t.Name + " (up)", ours: e.half(1), source: source[stem+"up_proj"]})
	}
	return matched, alone
}

var expertName = regexp.MustCompile(`\.(?:experts|switch_mlp)\.(gate_up_proj|gate_proj|up_proj|down_proj)(?:\.weight)?$`)

// canonical is a body name in the spelling that all forms of a model share.
func canonical(body string) string { return expertName.ReplaceAllString(body, ".experts.$1") }

// shifts are what the gains of a norm lack on either side: 1 where they are stored without it.
func shifts(t source.Tensor, of, in source.Inventory) (ourShift, sourceShift float32) {
	ours, reference := of.NormForm, in.NormForm
	if t.MTP {
		ours, reference = of.HeadForm, in.HeadForm
	}
	if !arch.ZeroCentred(t.Body) || ours == reference {
		return 0, 0
	}
	if ours == arch.NormsRaw {
		ourShift = 1
	}
	if reference == arch.NormsRaw {
		sourceShift = 1
	}
	return ourShift, sourceShift
}

// Lossy are the formats that the text model has and the reference's has not in the same place. Without a
// reference every format of the model counts.
func Lossy(ours, reference *source.Source) map[quant.Format]bool {
	return lossy(ours, reference, func(t source.Tensor) bool { return t.Role != arch.Vision && !t.MTP })
}

// LossyTower is Lossy of the vision tower.
func LossyTower(ours, reference *source.Source) map[quant.Format]bool {
	return lossy(ours, reference, func(t source.Tensor) bool { return t.Role == arch.Vision })
}

func lossy(ours, reference *source.Source, counts func(source.Tensor) bool) map[quant.Format]bool {
	found := map[quant.Format]bool{}
	before := map[string]quant.Format{}
	if reference != nil {
		for _, t := range reference.Inventory().Tensors {
			before[canonical(t.Body)] = t.Lends()
		}
	}
	for _, t := range ours.Inventory().Tensors {
		if counts(t) && !holds(t.Format, before[canonical(t.Body)]) {
			found[t.Format] = true
		}
	}
	return found
}
