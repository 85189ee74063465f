package arch

import (
	"fmt"
	"slices"
	"strings"
)

// Need is a tensor that must be there, by body name, in one of some shapes.
type Need struct {
	Body   string
	Shapes [][]int
}

// Choice is one demand of a model that may be met in several ways: each way is a set of tensors
// that are needed together, and exactly one way must be taken.
type Choice [][]Need

// one is a tensor that is needed in any case, of that very shape.
func one(body string, shape ...int) Choice { return Choice{{{Body: body, Shapes: [][]int{shape}}}} }

// Finding is one thing wrong with a checkpoint's names and shapes.
type Finding struct {
	Body    string // the tensor
	Missing bool   // nobody has it
	Problem string // what is wrong, to be read after the tensor's name
}

// Needs lists what the config demands, layer by layer. An unknown family demands nothing: whoever
// made the Config has refused it.
func (c Config) Needs() []Choice {
	switch c.Family {
	case Qwen3, Qwen3VL:
		return qwen3(c)
	case Qwen3MoE, Qwen3VLMoE:
		return qwen3MoE(c)
	case Qwen3Next:
		return qwen3Next(c)
	case Qwen35:
		return qwen35(c)
	case Qwen35MoE:
		return qwen35MoE(c)
	}
	return nil
}

// Check holds the shapes of a checkpoint's tensors, by body name, to the config.
func (c Config) Check(have map[string][]int) []Finding {
	var found []Finding
	for _, choice := range c.Needs() {
		found = append(found, choice.check(have)...)
	}
	for i, f := range found {
		if !f.Missing {
			found[i].Problem += c.Doubt(f.Body)
		}
	}
	var beyond []string
	for body := range have {
		if n, ok := layerOf(body); ok && n >= c.Layers {
			beyond = append(beyond, body)
		}
	}
	slices.Sort(beyond)
	for _, body := range beyond {
		found = append(found, Finding{Body: body, Problem: fmt.Sprintf("is of a layer that the config, with %d layers, has not", c.Layers)})
	}
	return found
}

// Doubt says why the shape that the config asks of a tensor may not be the model's, to be read after
// an error about that: it has no head_dim, which the shapes of full attention follow from. "" if there
// is no doubt.
func (c Config) Doubt(body string) string {
	if !c.HeadDimUnsaid || !strings.Contains(body, ".self_attn.") {
		return ""
	}
	return fmt.Sprintf("; head_dim is missing from config.json, so that %d is taken, the default of %s", c.HeadDim, c.Family)
}

// TakesBias says whether the tensor is a bias of attention, which every family takes where there is one.
func (c Config) TakesBias(body string) bool {
	module, ok := strings.CutSuffix(body, ".bias")
	for _, p := range []string{"q_proj", "k_proj", "v_proj", "o_proj"} {
		if ok && strings.HasSuffix(module, ".self_attn."+p) {
			return true
		}
	}
	return false
}

// CheckMTP holds the tensors of the multi-token-prediction head, if there are any, to the config.
func (c Config) CheckMTP(have map[string][]int) []Finding {
	for body := range have {
		if IsMTP(body) {
			var found []Finding
			for _, choice := range mtp(c) {
				found = append(found, choice.check(have)...)
			}
			return found
		}
	}
	return nil
}

// check takes the way of which most tensors are there, the first if none is.
func (ways Choice) check(have map[string][]int) []Finding {
	best, most, taken := 0, 0, []string{}
	for i, way := range ways {
		present := 0
		for _, need := range way {
			if _, ok := have[need.Body]; ok {
				present++
			}
		}
		if present > most {
			best, most = i, present
		}
		if present > 0 {
			taken = append(taken, way[0].Body)
		}
	}
	if len(taken) > 1 {
		return []Finding{{Body: taken[1], Problem: fmt.Sprintf("is a second form of what %s holds", taken[0])}}
	}
	var found []Finding
	for _, need := range ways[best] {
		shape, ok := have[need.Body]
		switch {
		case !ok:
			found = append(found, Finding{Body: need.Body, Missing: true, Problem: fmt.Sprintf("is needed by the config, with shape %s", need.shapes())})
		case !slices.ContainsFunc(need.Shapes, func(s []int) bool { return slices.Equal(s, shape) }):
			found = append(found, Finding{Body: need.Body, Problem: fmt.Sprintf("has shape %v, the config needs %s", shape, need.shapes())})
		}
	}
	return found
}

func (n Need) shapes() string {
	text := fmt.Sprint(n.Shapes[0])
	for _, s := range n.Shapes[1:] {
		text += fmt.Sprintf(" or %v", s)
	}
	return text
}

// Expected is the shapes that the config knows, by body name: of all forms of a choice, and of the
// multi-token-prediction head.
func (c Config) Expected() map[string][][]int {
	shapes := map[string][][]int{}
	for _, choice := range append(c.Needs(), mtp(c)...) {
		for _, way := range choice {
			for _, need := range way {
				shapes[need.Body] = need.Shapes
			}
		}
	}
	return shapes
}
