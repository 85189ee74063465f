package tune

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"qimport/arch"
	"qimport/convert/plan"
)

// line is one override of a recipe: the modules of some kinds, below one path, in some layers.
type line struct {
	path    string // "layers.*.mlp", or "" for what is in no layer
	modules []string
	layers  []int // nil for all that there are
	format  string
	kl      float64
	bytes   int64
	kept    int64 // bytes that the source has of them
}

// Recipe is the text of a recipe that gives every group the option of a mixture, and all else what the source has.
// all are the tensors that there are, head is lines for its beginning.
func Recipe(groups []Group, m Mixture, all []plan.Tensor, head []string) string {
	var b strings.Builder
	for _, h := range head {
		fmt.Fprintf(&b, "# %s\n", h)
	}
	b.WriteString("policy: keep\noverrides:\n")
	lines := lines(groups, m, all)
	width := 0
	for _, l := range lines {
		width = max(width, len(l.rule()))
	}
	for _, l := range lines {
		fmt.Fprintf(&b, "  - %-*s # %.2g nats, %s of %s\n", width, l.rule(), l.kl, humanize.Bytes(uint64(l.bytes)), humanize.Bytes(uint64(l.kept)))
	}
	if len(lines) == 0 {
		return strings.TrimSuffix(b.String(), "overrides:\n")
	}
	return b.String()
}

// rule is the override as YAML.
func (l line) rule() string { return strconv.Quote(l.pattern() + "=" + l.format) }

func (l line) pattern() string {
	module := l.modules[0]
	if len(l.modules) > 1 {
		module = "{" + strings.Join(l.modules, ",") + "}"
	}
	if l.path == "" {
		return module
	}
	path := l.path
	if l.layers != nil {
		path = strings.Replace(path, "*", numbers(l.layers), 1)
	}
	return path + "." + module
}

// numbers is a glob of ascending numbers: "3", "{0..2,5}".
func numbers(all []int) string {
	var parts []string
	for i := 0; i < len(all); {
		j := i
		for j+1 < len(all) && all[j+1] == all[j]+1 {
			j++
		}
		switch j - i {
		case 0:
			parts = append(parts, strconv.Itoa(all[i]))
		case 1:
			parts = append(parts, strconv.Itoa(all[i]), strconv.Itoa(all[j]))
		default:
			parts = append(parts, fmt.Sprintf("%d..%d", all[i], all[j]))
		}
		i = j + 1
	}
	if len(parts) == 1 && !strings.Contains(parts[0], "..") {
		return parts[0]
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// place is a tensor's kind, and its layer; -1 where it is in none.
func place(tensor string) (path, module string, layer int) {
	body := strings.TrimSuffix(arch.Body(tensor), ".weight")
	layer = -1
	if found := layerOf.FindStringSubmatch(body); found != nil {
		layer, _ = strconv.Atoi(found[1]) // digits
		body = layerOf.ReplaceAllString(body, "layers.*.")
	}
	if dot := strings.LastIndexByte(body, '.'); dot >= 0 {
		return body[:dot], body[dot+1:], layer
	}
	return "", body, layer
}

// lines finds the globs again: tensors of one kind and format are one, for all layers where no layer has another;
// and kinds below one path, in the same layers and of the same format, are one.
func lines(groups []Group, m Mixture, tensors []plan.Tensor) []line {
	var all []line
	for g, group := range groups {
		o := group.Options[m.Choice[g]]
		for i, t := range o.Tensors {
			path, module, layer := place(t.Name)
			if o.Format.IsKeep() {
				continue
			}
			at := slices.IndexFunc(all, func(l line) bool {
				return l.path == path && l.modules[0] == module && l.format == o.Format.String()
			})
			if at < 0 {
				at = len(all)
				all = append(all, line{path: path, modules: []string{module}, format: o.Format.String()})
			}
			l := &all[at]
			l.layers = append(l.layers, layer)
			l.kl += o.KL / float64(len(o.Tensors)) // together they are what was measured
			l.bytes, l.kept = l.bytes+t.Bytes, l.kept+group.Options[0].Tensors[i].Bytes
		}
	}
	count := map[string]int{} // of the layers that have a kind
	for _, t := range tensors {
		path, module, _ := place(t.Name)
		count[path+"."+module]++
	}
	var joined []line
	for _, l := range all {
		slices.Sort(l.layers)
		if l.path == "" || len(l.layers) == count[l.path+"."+l.modules[0]] {
			l.layers = nil
		}
		at := slices.IndexFunc(joined, func(o line) bool {
			return o.path == l.path && o.path != "" && o.format == l.format && slices.Equal(o.layers, l.layers)
		})
		if at < 0 {
			joined = append(joined, l)
			continue
		}
		o := &joined[at]
		o.modules, o.kl = append(o.modules, l.modules...), o.kl+l.kl
		o.bytes, o.kept = o.bytes+l.bytes, o.kept+l.kept
	}
	return joined
}
