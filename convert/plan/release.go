package plan

import (
	"fmt"
	"slices"

	"qimport/arch"
	"qimport/convert/source"
	"qimport/quant"
)

// chooseTensors leaves the MTP head out where that was asked for, or where it would do harm.
func chooseTensors(inv source.Inventory, mtp MTP) (kept []source.Tensor, dropped []string, err error) {
	harm := harmOfHead(inv)
	if harm != "" && mtp == MTPKeep {
		return nil, nil, fmt.Errorf("%w: the MTP head cannot be kept: %s", source.ErrSource, harm)
	}
	drop := mtp == MTPDrop || harm != ""
	for _, t := range inv.Tensors {
		if t.MTP && drop {
			dropped = append(dropped, t.Name)
			continue
		}
		kept = append(kept, t)
	}
	return kept, dropped, nil
}

// harmOfHead says why a head cannot stay beside converted norms; "" if it can, or there is none.
func harmOfHead(inv source.Inventory) string {
	switch {
	case inv.NormForm != arch.NormsShifted || !inv.HasHead():
		return ""
	case inv.HeadFlaw != "":
		return "it is not whole, and beside it Ollama would take the norms for those of a release and shift every one again"
	case inv.HeadForm == arch.NormsPlain:
		return "its norms are neither around 0 nor around 1, so that it cannot be told whether they are those of a release; --mtp-from takes the release's own"
	}
	return ""
}

// releases says whether the model is to be stored in release form, because a head is kept beside
// converted norms: Ollama takes any tensor called mtp. as the sign of that form.
func releases(inv source.Inventory, kept []source.Tensor) bool {
	return inv.NormForm == arch.NormsShifted && slices.ContainsFunc(kept, func(t source.Tensor) bool { return t.MTP })
}

// toRelease gives a tensor of a converted model the form that a release has: norms without their 1,
// which takes float32 where their own dtype does not hold the difference, conv1d [channels, 1, kernel],
// and the head without containers. The head's norms may lack their 1 already.
func (tp *Tensor) toRelease(inv source.Inventory, facts Facts) error {
	t := tp.From
	if t.MTP {
		tp.Name = t.Body
	}
	switch {
	case t.Role == arch.Conv && len(t.Shape) == 3 && tp.Transform != ChannelsToFront:
		tp.Shape = []int{t.Shape[0], t.Shape[2], t.Shape[1]} // the kernel's taps stay in their order
	case !arch.ZeroCentred(t.Body) || t.MTP && inv.HeadForm == arch.NormsRaw:
	case t.Format.Mode != quant.Plain || !t.Format.Dtype.IsFloat():
		return fmt.Errorf("%w: tensor %s is a norm in %s, from which 1 cannot be subtracted", source.ErrSource, t.Name, t.Format)
	default:
		tp.Transform = SubtractOne
		if !facts.LessOne[t.Name] {
			tp.Target = quant.FormatF32
		}
		tp.Bytes = int64(quant.Elements(t.Shape) * tp.Target.Dtype.Size())
	}
	return nil
}
