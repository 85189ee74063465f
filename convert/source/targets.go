package source

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"qimport/arch"
	"qimport/internal/untrusted"
)

// target is one word of a group's targets, or of ignore: a module's name, a class of modules, or an
// expression after "re:", matched at the start of the name as Python's re.match does.
type target struct {
	group  int // whose it is
	text   string
	kind   targetKind
	regexp *regexp.Regexp // nil: an expression that only Python can read
}

// targetKind orders targets as compressed-tensors asks them: names first, classes last. A class that no
// module of these models is known to have comes behind those that are.
type targetKind uint8

const (
	targetName targetKind = iota
	targetRegexp
	targetClass
	targetOtherClass
)

// targetBudget is how large the expressions of a config may be together, in steps of their programs: each
// is tried on the name of every tensor. Published configs have under a hundred.
const targetBudget = 5000

func parseTargets(texts []string, group int, budget *int) ([]target, error) {
	var out []target
	for _, text := range texts {
		t := target{group: group, text: text, kind: kindOf(text)}
		if pattern, is := strings.CutPrefix(text, "re:"); is {
			re, steps, err := untrusted.RegexpWithin(`\A(?:`+pattern+`)`, *budget)
			if errors.Is(err, untrusted.ErrRegexp) {
				return nil, fmt.Errorf("target %.100q: %w", text, err)
			}
			t.regexp = re
			*budget -= steps
		}
		out = append(out, t)
	}
	return out, nil
}

func parseIgnored(block object, budget *int) ([]target, error) {
	if !block.has("ignore") {
		return nil, nil
	}
	var texts []string
	if json.Unmarshal(block["ignore"], &texts) != nil {
		return nil, errors.New("it is no list of names")
	}
	return parseTargets(texts, 0, budget)
}

func kindOf(text string) targetKind {
	switch {
	case strings.HasPrefix(text, "re:"):
		return targetRegexp
	case text == "Linear" || text == "Embedding":
		return targetClass
	case unicode.IsUpper(rune((text + "_")[0])): // Python names its classes so, and no module
		return targetOtherClass
	}
	return targetName
}

// sortTargets brings the targets into the order of compressed-tensors, and refuses one that two groups of
// different formats have.
func (s *compressedScheme) sortTargets() error {
	slices.SortStableFunc(s.targets, func(a, b target) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), strings.Compare(a.text, b.text))
	})
	for i := 1; i < len(s.targets); i++ {
		a, b := s.targets[i-1], s.targets[i]
		if a.text == b.text && s.groups[a.group].format != s.groups[b.group].format {
			return fmt.Errorf("target %.80q is in both config_groups.%s and config_groups.%s, which have different formats", a.text, s.groups[a.group].name, s.groups[b.group].name)
		}
	}
	return nil
}

// group finds the group of a tensor's module: of the first target that is its name, else an expression for
// it, else its class.
func (s compressedScheme) group(t *Tensor, path string) (compressedGroup, error) {
	spellings := append(arch.Spellings(path), arch.Body(path))
	for _, ignored := range s.ignored {
		if ignored.takes(t.Role, spellings) {
			return compressedGroup{}, fmt.Errorf("the config's quantization ignores module %s (%.80q), but it is quantized", path, ignored.text)
		}
	}
	for _, target := range s.targets {
		if target.takes(t.Role, spellings) {
			return s.groups[target.group], nil
		}
	}
	if g, ok := s.unread(); ok {
		return g, nil
	}
	return compressedGroup{}, fmt.Errorf("no group of the config's quantization covers module %s", path)
}

// unread is the one group that has expressions which only Python can read, if there is one.
func (s compressedScheme) unread() (g compressedGroup, ok bool) {
	for _, t := range s.targets {
		if t.kind != targetRegexp || t.regexp != nil {
			continue
		}
		if ok && s.groups[t.group] != g {
			return g, false
		}
		g, ok = s.groups[t.group], true
	}
	return g, ok
}

// takes says whether a module of that role, whose name is spelled in these ways, is meant.
func (t target) takes(role arch.Role, spellings []string) bool {
	switch t.kind {
	case targetName:
		return slices.Contains(spellings, t.text)
	case targetRegexp:
		return t.regexp != nil && slices.ContainsFunc(spellings, t.regexp.MatchString)
	case targetClass:
		return (t.text == "Embedding") == (role == arch.Embedding)
	}
	return true
}
