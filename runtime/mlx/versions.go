package mlx

import (
	_ "embed"
	"strings"
)

//go:embed versions
var versions string

// BuiltOn is the version of mlx-c that this package is built on: mlx-c itself has no call that says it.
func BuiltOn() string {
	for line := range strings.Lines(versions) {
		if v, ok := strings.CutPrefix(line, "mlxc_version="); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
