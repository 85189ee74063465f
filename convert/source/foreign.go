package source

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"qimport/arch"
	"qimport/internal/untrusted"
)

// The schemes that qimport cannot read and that its arrays alone tell, with or without a config that
// names them.
const (
	bitsandbytes = "bitsandbytes"
	hqq          = "HQQ"
	quanto       = "quanto"
	torchao      = "torchao"
	svdQuant     = "SVDQuant"
	rotation     = "with a rotation that is applied while running"
	activation   = "with scales of activations, applied while running"
	adapter      = "with an adapter that was not merged"
)

// foreign names a scheme by the last part of an array's name, or the last two, that only it has.
var foreign = map[string]string{
	"absmax": bitsandbytes, "quant_map": bitsandbytes, "nested_absmax": bitsandbytes, "nested_quant_map": bitsandbytes,
	"SCB": bitsandbytes, "weight_format": bitsandbytes, "bitsandbytes__nf4": bitsandbytes, "bitsandbytes__fp4": bitsandbytes,
	"W_q": hqq, "nbits": hqq, "view_as_float": hqq, "unpack_view_dtype": hqq, "quant_zero": hqq,
	"_data": quanto, "_shift": quanto, "weight._scale": quanto,
	"qdata": torchao, "weight_qdata": torchao, "_weight_qdata": torchao, "tensor_impl": torchao, "int_data": torchao,
	"svdquant_lora_a": svdQuant, "svdquant_lora_b": svdQuant, "_svdquant_lora_a": svdQuant, "_svdquant_lora_b": svdQuant, "wscales": svdQuant, "wzeros": svdQuant, "wtscale": svdQuant,
	"wcscales": svdQuant, "smooth_factor": svdQuant, "smooth_factor_orig": svdQuant, "smooth_orig": svdQuant,
	"proj_down": svdQuant, "proj_up": svdQuant,
	"had_K": rotation, "had_matrix": rotation, "hadamard_matrix": rotation,
	"act.scales": activation, "smooth_scale": activation, "smooth": activation,
	"codebooks": "AQLM", "centroids": "VPTQ", "res_centroids": "VPTQ", "Qidxs": "QuIP#",
	"trellis": "ExLlama", "q_invperm": "ExLlama", "q_scale_max": "ExLlama",
	"lora_A": adapter, "lora_B": adapter, "lora_a": adapter, "lora_b": adapter, "lora_magnitude_vector": adapter,
}

// checkForeign refuses a checkpoint of a scheme that qimport cannot read, by the name of an array.
func checkForeign(name string) error {
	stem, _ := strings.CutSuffix(name, ".weight") // a module of its own, as lora_A is
	scheme := foreignLast(stem)
	if at := strings.LastIndexByte(stem, '.'); scheme == "" && at > 0 {
		switch last := stem[at+1:]; {
		case isRotation(last):
			scheme = rotation
		case strings.HasSuffix(last, "_blocks"):
			scheme = "mxfp4 as gpt-oss has it"
		case strings.ContainsRune(last, ':'):
			scheme = torchao
		}
	}
	if scheme == "" {
		return nil
	}
	return unreadable("tensor %s: unsupported quantization %s", name, scheme)
}

func foreignLast(name string) string {
	at := strings.LastIndexByte(name, '.')
	if scheme := foreign[name[at+1:]]; scheme != "" || at < 0 {
		return scheme
	}
	return foreign[name[strings.LastIndexByte(name[:at], '.')+1:]]
}

// isRotation knows R1 to R4, alone or as in R4_input and weight_R1_matrix.
func isRotation(last string) bool {
	for part := range strings.SplitSeq(last, "_") {
		if len(part) == 2 && part[0] == 'R' && '1' <= part[1] && part[1] <= '4' {
			return true
		}
	}
	return false
}

// checkBeside refuses an array in the module of a matrix that is neither its weight nor its bias nor
// known to its format. Whoever put it there applies it while the model runs: without it the numbers
// would be others. Of the text model only tensors that nothing asks for can be such.
func checkBeside(all arrays, inv Inventory) error {
	suspects := slices.Clone(inv.Unasked)
	for _, t := range inv.Tensors {
		if t.Role == arch.Vision {
			suspects = append(suspects, t.Name)
		}
	}
	for _, name := range suspects {
		if matrix, rest, ok := beside(all, name); ok && rest != "bias" && rest != "weight" {
			return unreadable("tensor %s: it stands beside the matrix %s, of which it is no part that qimport knows, and without it the model would say something else", name, matrix)
		}
	}
	return nil
}

// beside finds the matrix in whose module an array is, and the array's name within it.
func beside(all arrays, name string) (matrix, rest string, ok bool) {
	for i := len(name) - 1; i > 0; i-- {
		if name[i] != '.' {
			continue
		}
		for _, suffix := range []string{"", ".weight", ".qweight", ".weight_packed"} {
			if p, there := all[name[:i]+suffix]; there && len(p.Shape) > 1 && p.Name != name {
				return p.Name, name[i+1:], true
			}
		}
	}
	return "", "", false
}

// unasked lists the tensors that nothing in the model's graph takes. Those of the vision tower, whose
// parts the config does not list, are taken to be asked for.
func unasked(config arch.Config, expected map[string][][]int, tensors []Tensor) []string {
	var names []string
	for _, t := range tensors {
		if _, ok := expected[t.Body]; ok || t.Role == arch.Vision || config.TakesBias(t.Body) {
			continue
		}
		names = append(names, t.Name)
	}
	return names
}

// settleBiases leaves out the biases of layers that have none in this family, as tools have written
// them: all zero. Any other one would change what the layer says, and is refused.
func (s *Source) settleBiases() error {
	expected := s.inv.Config.Expected()
	var kept []Tensor
	dropped := map[string]bool{}
	for _, t := range s.inv.Tensors {
		module, isBias := strings.CutSuffix(t.Body, ".bias")
		if _, matrix := expected[module+".weight"]; !isBias || !matrix || !slices.Contains(s.inv.Unasked, t.Name) {
			kept = append(kept, t)
			continue
		}
		zero, err := s.allZero(t)
		if err != nil {
			return err
		}
		if !zero {
			return fmt.Errorf("%s: tensor %s: layers of %s have no bias there, so that it would be left out and the model say something else", s.inv.Shards[t.Pieces[0].Weight.Shard].Name, t.Name, s.inv.Config.Family)
		}
		dropped[t.Name] = true
	}
	if len(dropped) == 0 {
		return nil
	}
	first := untrusted.Text(slices.Min(slices.Collect(maps.Keys(dropped))))
	s.inv.note("%d biases are left out (%s is one): all are zero, and the layers have none", len(dropped), first)
	s.inv.Tensors = kept
	s.inv.Unasked = slices.DeleteFunc(s.inv.Unasked, func(name string) bool { return dropped[name] })
	return nil
}

// allZero reads a small tensor.
func (s *Source) allZero(t Tensor) (zero bool, err error) {
	q, err := s.LoadPiece(t, 0)
	if err != nil {
		return false, err
	}
	err = s.Guard(func() error {
		zero = !slices.ContainsFunc(q.Data, func(b byte) bool { return b != 0 })
		return nil
	})
	return zero, err
}
