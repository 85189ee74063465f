package verify

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
			p.ourShift, p.sourceShift = shifts(t, ourInv.Layout, refInv.Layout)
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

// elementsOf reads a tensor piece by piece; nothing is copied together.
func elementsOf(s *source.Source, t source.Tensor) elements {
	e := elements{shape: t.Shape, format: t.Format, bytes: t.Bytes(), pieces: len(t.Pieces), global: t.Global != source.NoGlobal, guard: s.Guard}
	e.load = func(i int) (quant.Tensor, int, error) {
		piece, err := s.LoadPiece(t, i)
		return piece, 0, err
	}
	return e
}

// half is the gate (0) or the up (1) part of fused expert projections [E, 2I, H].
func (e elements) half(h int) elements {
	if len(e.shape) != 3 || e.shape[1]%2 != 0 {
		return e // refused by the comparison, since the sizes differ
	}
	experts, width, cols := e.shape[0], e.shape[1]/2, e.shape[2]
	apart := e
	apart.shape, apart.bytes, apart.pieces = []int{experts, width, cols}, e.bytes/2, experts
	apart.load = func(i int) (quant.Tensor, int, error) {
		if e.pieces == experts {
			t, start, err := e.load(i)
			return t, start + h*width*cols, err
		}
		t, start, err := e.load(0)
		return t, start + (2*i+h)*width*cols, err
	}
	return apart
}

// shifts are what the gains of a norm lack on either side: 1 where they are stored without it.
func shifts(t source.Tensor, ours, reference source.Layout) (ourShift, sourceShift float32) {
	if t.MTP || !zeroCentred(t.Body) || ours == reference {
		return 0, 0
	}
	if ours == source.LayoutRaw {
		ourShift = 1
	}
	if reference == source.LayoutRaw {
		sourceShift = 1
	}
	return ourShift, sourceShift
}

// zeroCentred says whether a release stores the gain of this norm without its 1.
func zeroCentred(body string) bool {
	if body == "norm.weight" {
		return true
	}
	for _, suffix := range []string{".input_layernorm.weight", ".post_attention_layernorm.weight", ".q_norm.weight", ".k_norm.weight"} {
		if strings.HasSuffix(body, suffix) {
			return true
		}
	}
	return false
}
