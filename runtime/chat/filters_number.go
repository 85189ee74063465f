package chat

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

func abs(_ *rendering, in *exec.Value, _ *exec.VarArgs) (*exec.Value, error) {
	n, err := number(in)
	switch {
	case err != nil:
		return nil, err
	case n.IsInteger():
		return exec.AsValue(max(n.Integer(), -n.Integer())), nil
	}
	return exec.AsValue(math.Abs(n.Float())), nil
}

func round(_ *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	n, err := number(in)
	if err != nil {
		return nil, err
	}
	precision, err := integerArgument(a, 0, "precision", 0)
	if err != nil {
		return nil, err
	}
	how := math.RoundToEven
	if method, ok := argument(a, 1, "method"); ok {
		switch method.Interface() {
		case "common":
		case "floor":
			how = math.Floor
		case "ceil":
			how = math.Ceil
		default:
			return nil, errors.New("its method is common, floor or ceil")
		}
	}
	factor := math.Pow(10, float64(max(-300, min(precision, 300))))
	return exec.AsValue(how(n.Float()*factor) / factor), nil
}

// maxDigits is how long text can be that is read as a number, as in Python.
const maxDigits = 4300

func toFloat(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	if n, err := number(in); err == nil && !in.IsNil() {
		return exec.AsValue(n.Float()), nil
	}
	if in.IsString() && len(in.String()) <= maxDigits {
		if f, err := strconv.ParseFloat(strings.TrimSpace(in.String()), 64); err == nil {
			return exec.AsValue(f), nil
		}
	}
	if value, ok := argument(a, 0, "default"); ok {
		return value, nil
	}
	return exec.AsValue(0.0), nil
}

func toInt(r *rendering, in *exec.Value, a *exec.VarArgs) (*exec.Value, error) {
	if n, err := number(in); err == nil && !in.IsNil() {
		return exec.AsValue(n.Integer()), nil
	}
	base, err := integerArgument(a, 1, "base", 10)
	if err != nil || base < 2 || base > 36 {
		return nil, errors.New("its base is 2 to 36")
	}
	if in.IsString() && len(in.String()) <= maxDigits {
		text := strings.ToLower(strings.TrimSpace(in.String()))
		for prefix, of := range map[string]int{"0x": 16, "0o": 8, "0b": 2} {
			if of == base {
				text = strings.TrimPrefix(text, prefix)
			}
		}
		if i, err := strconv.ParseInt(text, base, 0); err == nil {
			return exec.AsValue(int(i)), nil
		} else if f, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(f) < 1<<62 {
			return exec.AsValue(int(f)), nil
		}
	}
	if value, ok := argument(a, 0, "default"); ok {
		return value, nil
	}
	return exec.AsValue(0), nil
}
