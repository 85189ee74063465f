package source

import (
	"fmt"
	"strings"

	"qimport/arch"
)

// normFormOf tells the form of norms and conv1d from the axes of all conv1d weights. Whether there
// are mtp tensors says nothing about it.
func normFormOf(family arch.Family, tensors []Tensor) (arch.NormForm, error) {
	form, first := arch.NormsPlain, ""
	for _, t := range tensors {
		if t.Role != arch.Conv || !family.Hybrid() {
			continue
		}
		own := arch.NormsRaw
		if len(t.Shape) == 3 && t.Shape[2] == 1 && t.Shape[1] != 1 {
			own = arch.NormsShifted
		}
		if first != "" && own != form {
			return 0, fmt.Errorf("tensors %s and %s have their axes in different order, %s and %s: the checkpoint mixes two forms", first, t.Name, form, own)
		}
		form, first = own, t.Name
	}
	return form, nil
}

// patchesOf tells which axis of the patch embedding holds the channels of an image, of which the config says how many.
func patchesOf(channels int, tensors []Tensor) (Patches, error) {
	for _, t := range tensors {
		if t.Role != arch.Vision || !strings.HasSuffix(t.Name, "patch_embed.proj.weight") || len(t.Shape) != 5 {
			continue
		}
		switch {
		case t.Shape[1] == channels:
			return ChannelsFirst, nil
		case t.Shape[4] == channels:
			return ChannelsLast, nil
		}
		return NoPatches, fmt.Errorf("tensor %s has shape %v, with the %d channels of an image neither second nor last", t.Name, t.Shape, channels)
	}
	return NoPatches, nil
}
