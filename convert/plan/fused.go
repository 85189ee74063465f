package plan

import (
	"fmt"
	"slices"
	"strings"

	"qimport/convert/source"
	"qimport/quant/recipe"
)

// checkFused refuses what adapters change of quantized tensors, unless the loss was accepted: it is
// decoded, changed and quantized a second time.
func checkFused(tensors []source.Tensor, decisions []recipe.Decision, r recipe.Recipe) error {
	var names []string
	for i, t := range tensors {
		if t.Fused() && t.Format.IsQuantized() && decisions[i].Format.IsQuantized() && !r.AllowRequantize {
			names = append(names, t.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	more := ""
	if len(names) > 1 {
		more = fmt.Sprintf(" and %d more", len(names)-1)
	}
	return fmt.Errorf("%w: adapters change quantized tensors (%s%s), which would be quantized a second time; --allow-requantize accepts the loss, -q bf16 decodes them",
		recipe.ErrRecipe, names[0], more)
}

// FusedReport is what one adapter does to a tensor, for scripts.
type FusedReport struct {
	Adapter string  `json:"adapter"`
	Kind    string  `json:"kind"` // lora, dora, tokens or replaced
	Rank    int     `json:"rank,omitempty"`
	Scale   float64 `json:"scale,omitempty"` // of the product of the two matrices
	Rows    int     `json:"rows,omitempty"`  // that are changed
}

// Fused lists what adapters do to a tensor, in order. Updates that differ by their rows only are one.
func (p Plan) Fused(t Tensor) []FusedReport {
	var out []FusedReport
	if t.From.Replaced != "" {
		out = append(out, FusedReport{Adapter: t.From.Replaced, Kind: "replaced"})
	}
	for _, u := range t.From.Updates {
		r := FusedReport{Adapter: p.Adapters[u.Adapter].Name, Kind: "lora", Rank: u.Rank, Scale: float64(u.Scale)}
		switch {
		case u.Whole:
			r.Kind = "tokens"
		case u.Magnitude.Exists():
			r.Kind = "dora"
		}
		rows := u.Rows * u.Experts
		same := func(o FusedReport) bool { o.Rows = 0; return o == r }
		if i := slices.IndexFunc(out, same); i >= 0 {
			out[i].Rows += rows
			continue
		}
		r.Rows = rows
		out = append(out, r)
	}
	return out
}

// fusedText is that for people: "+ lora of style, rank 8 × 2".
func (p Plan) fusedText(t Tensor) string {
	var parts []string
	for _, f := range p.Fused(t) {
		switch f.Kind {
		case "replaced":
			parts = append(parts, "from "+f.Adapter)
		case "tokens":
			parts = append(parts, fmt.Sprintf("%d tokens from %s", f.Rows, f.Adapter))
		default:
			parts = append(parts, fmt.Sprintf("+ %s of %s, rank %d × %.4g", f.Kind, f.Adapter, f.Rank, f.Scale))
		}
	}
	return strings.Join(parts, ", ")
}

// adapterLines names the adapters with what tells them apart, and how many tensors each changes.
func (p Plan) adapterLines() string {
	var s strings.Builder
	for _, a := range p.Adapters {
		count := 0
		for _, b := range p.Blobs {
			for _, t := range b.Tensors {
				if slices.ContainsFunc(p.Fused(t), func(f FusedReport) bool { return f.Adapter == a.Name }) {
					count++
				}
			}
		}
		fmt.Fprintf(&s, "adapter: %s of %s, scale %g, sha256 %s, config %s: changes %d tensors\n", a.Name, a.Maker, a.Scale, p.Shards[a.Shard].SHA256, a.Config, count)
	}
	return s.String()
}
