package chat

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/exec"
)

func join(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	separator := ""
	if d, ok := argument(a, 0, "d"); ok {
		separator = r.text(d)
	}
	path, byPath := argument(a, 1, "attribute")
	var out strings.Builder
	begun := false
	r.each(in, func(item, _ *exec.Value) bool {
		if byPath {
			item = r.at(item, path)
		}
		text := r.text(item)
		r.make(len(separator) + len(text))
		if begun {
			out.WriteString(separator)
		}
		begun = true
		out.WriteString(text)
		return true
	})
	return stringValue(out.String()), nil
}

func indent(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	if !in.IsString() {
		return nil, errors.New("it takes text")
	}
	width, err := integerArgument(a, 0, "width", 4)
	by := ""
	if v, ok := argument(a, 0, "width"); ok && v.IsString() {
		by = v.String()
	} else if err != nil {
		return nil, err
	} else {
		r.make(width)
		by = strings.Repeat(" ", max(0, width))
	}
	firstToo, blankToo := flag(a, 1, "first"), flag(a, 2, "blank")
	text := in.String()
	lines := 1 + strings.Count(text, "\n")
	r.make(len(text))
	r.make(times(lines, len(by)))
	r.spend(lines)
	var out strings.Builder
	for i := 0; text != "" || i == 0; i++ {
		line, rest, more := strings.Cut(text, "\n")
		if (i > 0 || firstToo) && (line != "" || blankToo) {
			out.WriteString(by)
		}
		out.WriteString(line)
		if more {
			out.WriteByte('\n')
		}
		text = rest
	}
	return stringValue(out.String()), nil
}

func center(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	width, err := integerArgument(a, 0, "width", 80)
	if err != nil {
		return nil, err
	}
	text := r.text(in)
	space := max(0, width-utf8.RuneCountInString(text))
	r.make(space)
	return r.made(strings.Repeat(" ", space/2) + text + strings.Repeat(" ", space-space/2)), nil
}
