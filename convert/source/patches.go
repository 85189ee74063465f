package source

import (
	"fmt"
	"strings"

	"qimport/arch"
)

// patchesOf tells which axis of the patch embedding holds the channels of an image, of which the
// config says how many.
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
