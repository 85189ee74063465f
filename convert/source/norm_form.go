package source

import (
	"fmt"
	"math"
	"strings"

	"qimport/arch"
)

// The form of the norms is decided here, once, and everybody else is told: by the axes of conv1d
// where there is one, else by what the norms hold, else by who seems to have made the files.

// formOfConv tells the form of the norms from the axes of all conv1d weights, which every conversion
// changes together with them. It is plain where no conv1d tells it: of a family that is not hybrid,
// of a hybrid model whose layers are all full attention, of a kernel of one tap. Whether there are
// mtp tensors says nothing about it.
func formOfConv(family arch.Family, tensors []Tensor) (arch.NormForm, error) {
	form, first := arch.NormsPlain, ""
	for _, t := range tensors {
		if t.Role != arch.Conv || !family.Hybrid() || len(t.Shape) != 3 || t.Shape[1] == t.Shape[2] {
			continue
		}
		own := arch.NormsRaw
		if t.Shape[2] == 1 {
			own = arch.NormsShifted
		}
		if first != "" && own != form {
			return 0, fmt.Errorf("tensors %s and %s have their axes in different order, %s and %s: the checkpoint mixes two forms", first, t.Name, form, own)
		}
		form, first = own, t.Name
	}
	return form, nil
}

// formWithoutConv tells the form of a hybrid model's norms where no conv1d does. Training holds the
// gains near 1, so that raw vectors have means around 0 and shifted ones around 1, nearly all of
// them; a model whose vectors are neither is told by the signs of its maker.
func (s *Source) formWithoutConv(norms []normVector) (arch.NormForm, error) {
	form, raw, shifted := formOfValues(norms)
	if form != arch.NormsPlain {
		return form, nil
	}
	form, signs := s.formOfMaker()
	if form == arch.NormsPlain {
		return form, fmt.Errorf("it cannot be told whether the norms lack the 1 that conversions add: there is no conv1d, of %d norms %d have means around 0 and %d around 1, and %s",
			len(norms), raw, shifted, signs)
	}
	return form, nil
}

// formOfValues tells the form by what the vectors hold; plain where they do not tell it. raw and shifted
// are how many speak for either.
func formOfValues(norms []normVector) (form arch.NormForm, raw, shifted int) {
	for _, n := range norms {
		mean := measureGains(n.name, n.w, arch.NormsShifted).mean // of the numbers as they are
		raw += one(math.Abs(mean) < near)
		shifted += one(math.Abs(mean-1) < near)
	}
	need := int(math.Ceil(most * float64(len(norms))))
	switch {
	case len(norms) >= minNorms && raw >= need:
		return arch.NormsRaw, raw, shifted
	case len(norms) >= minNorms && shifted >= need:
		return arch.NormsShifted, raw, shifted
	}
	return arch.NormsPlain, raw, shifted
}

// formOfMaker tells the form from names and metadata, by which releases differ from conversions.
// Where there are none, or they disagree, it is plain, and the signs are what to say about it.
func (s *Source) formOfMaker() (form arch.NormForm, signs string) {
	found := map[arch.NormForm]string{} // the first sign of each
	note := func(form arch.NormForm, sign string) {
		if found[form] == "" {
			found[form] = sign
		}
	}
	for _, f := range s.shards {
		switch f.Header.Metadata["format"] {
		case "pt":
			note(arch.NormsRaw, f.Name()+" has the metadata of PyTorch")
		case "mlx":
			note(arch.NormsShifted, f.Name()+" has the metadata of MLX")
		}
	}
	for _, t := range s.inv.Tensors {
		switch prefix, _ := arch.CutPrefix(t.Name); {
		case t.MTP || t.Role == arch.Vision:
		case strings.Contains(t.Body, ".switch_mlp.") || prefix == "language_model.model.":
			note(arch.NormsShifted, t.Name+" is named as MLX has it")
		case t.Role == arch.Expert || prefix == "model.language_model.":
			note(arch.NormsRaw, t.Name+" is named as in a release")
		}
	}
	raw, isRaw := found[arch.NormsRaw]
	shifted, isShifted := found[arch.NormsShifted]
	switch {
	case isRaw && isShifted:
		return arch.NormsPlain, raw + ", but " + shifted
	case isRaw:
		return arch.NormsRaw, raw
	case isShifted:
		return arch.NormsShifted, shifted
	}
	return arch.NormsPlain, "neither names nor metadata say who made the files"
}
