package adapter

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Spec is an adapter as a user asks for it. Open and Apply want Dir to be a directory.
type Spec struct {
	Dir   string
	Scale float64 // what its changes are multiplied by; 1 as it was trained
	Name  string  // for people; "" for the directory's own
}

// ParseSpec reads SOURCE or SOURCE=SCALE. A directory that ends in an equals sign and a number is written with
// a scale after it.
func ParseSpec(s string) (Spec, error) {
	spec := Spec{Dir: s, Scale: 1}
	if i := strings.LastIndexByte(s, '='); i >= 0 {
		if scale, err := strconv.ParseFloat(s[i+1:], 64); err == nil {
			spec = Spec{Dir: s[:i], Scale: scale}
		}
	}
	switch {
	case spec.Dir == "":
		return spec, fmt.Errorf("'%s' is not SOURCE or SOURCE=SCALE, such as ./style=0.5", s)
	case spec.Scale == 0 || math.IsInf(spec.Scale, 0) || math.IsNaN(spec.Scale):
		return spec, fmt.Errorf("'%s': the scale %g is no number by which an adapter could be multiplied to any effect", s, spec.Scale)
	}
	return spec, nil
}
