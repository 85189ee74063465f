package chat

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// maxWidth bounds the numbers in a format: widths and precisions. No text is laid out wider.
const maxWidth = 1000

// digitsOfFloat is how long a float can get that is written without an exponent.
const digitsOfFloat = 400

// format is the filter format: Python's "%s of %d" % (a, b), but for names.
func format(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	text := r.text(in)
	if widest(text) > maxWidth || strings.Contains(text, "*") {
		return nil, fmt.Errorf("a width of more than %d", maxWidth)
	}
	var out strings.Builder
	next := 0
	for text != "" {
		plain, directive, found := strings.Cut(text, "%")
		r.make(len(plain) + 2*maxWidth + digitsOfFloat)
		out.WriteString(plain)
		if !found {
			break
		}
		end := strings.IndexFunc(directive, func(c rune) bool { return !strings.ContainsRune("0123456789.+- #", c) })
		if end < 0 {
			return nil, errors.New("a directive is not complete")
		}
		verb := directive[end]
		text = directive[end+1:]
		if verb == '%' {
			out.WriteByte('%')
			continue
		}
		if next == len(a.Args) {
			return nil, errors.New("it has more directives than arguments")
		}
		piece, err := r.directive(directive[:end], verb, a.Args[next])
		if err != nil {
			return nil, err
		}
		out.WriteString(piece)
		next++
	}
	return stringValue(out.String()), nil
}

// directive formats one value. Go's verbs are Python's, but for i, u and r.
func (r *rendering) directive(flags string, verb byte, v *exec.Value) (string, error) {
	switch verb {
	case 's', 'r':
		text := r.text(v)
		if verb == 'r' && v.IsString() {
			text = "'" + text + "'"
		}
		r.make(len(text))
		return fmt.Sprintf("%"+flags+"s", text), nil
	case 'd', 'i', 'u', 'x', 'X', 'o':
		n, err := number(v)
		if err != nil {
			return "", err
		}
		if strings.ContainsRune("iu", rune(verb)) {
			verb = 'd'
		}
		return fmt.Sprintf("%"+flags+string(verb), n.Integer()), nil
	case 'f', 'F', 'e', 'E', 'g', 'G':
		n, err := number(v)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%"+flags+string(verb), n.Float()), nil
	}
	return "", fmt.Errorf("directive %%%c is unknown", verb)
}

// widest is the largest number that stands in a text.
func widest(text string) int {
	most := 0
	for number := range strings.FieldsFuncSeq(text, func(c rune) bool { return c < '0' || c > '9' }) {
		n, err := strconv.Atoi(number)
		if err != nil {
			return maxWidth + 1
		}
		most = max(most, n)
	}
	return most
}

// braces is str.format: "{} of {1:>5}". gonja's does the work, once its length is known to have an
// end: the widths between braces are small, and none is an argument.
func (r *rendering) braces(text string, a *exec.VarArgs) (*exec.Value, error) {
	longest := digitsOfFloat
	plain := &exec.VarArgs{KwArgs: map[string]*exec.Value{}}
	simple := func(v *exec.Value) *exec.Value {
		if !v.IsNumber() && !v.IsBool() {
			v = stringValue(r.text(v))
			longest = max(longest, len(v.String()))
		}
		return v
	}
	for _, v := range a.Args {
		plain.Args = append(plain.Args, simple(v))
	}
	for name, v := range a.KwArgs {
		plain.KwArgs[name] = simple(v)
	}
	fields, depth := 0, 0
	for field := range strings.SplitSeq(text, "{") {
		if inside, _, _ := strings.Cut(field, "}"); fields > 0 && widest(inside) > maxWidth {
			return nil, fmt.Errorf("a width of more than %d", maxWidth)
		} else if depth = strings.Count(inside, ":"); depth > 0 && !strings.Contains(field, "}") && field != "" {
			return nil, errors.New("a width that is an argument")
		}
		fields++
	}
	r.make(len(text))
	r.make(times(fields, longest+2*maxWidth))
	builtin, ok := builtins.Methods.Str.Get("format")
	if !ok {
		return nil, errors.New("gonja has no str.format")
	}
	out, err := builtin(text, stringValue(text), plain)
	if err != nil {
		return nil, err
	}
	return exec.ToValue(out), nil
}
