package source

import (
	"strings"
	"testing"

	"qimport/quant"
)

func TestQuantTypeReadsBack(t *testing.T) {
	formats := []quant.Format{quant.FormatNVFP4, quant.FormatMXFP4, quant.FormatMXFP8, quant.FormatInt4, quant.AffineFormat(8, 32), quant.AffineFormat(3, 128), quant.AffineFormat(6, 64)}
	for _, f := range formats {
		if got, ok := formatOfType(strings.ToUpper(QuantType(f)), f.GroupSize); got != f || !ok {
			t.Errorf("%s reads back as %s, %t", f, got, ok)
		}
	}
	for _, name := range []string{"", "int", "int7", "affine", "bf16", "int-4"} {
		if f, ok := formatOfType(name, 0); ok {
			t.Errorf("%q is taken for %s", name, f)
		}
	}
}
