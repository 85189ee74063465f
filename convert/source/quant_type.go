package source

import (
	"strconv"
	"strings"

	"qimport/quant"
)

// BlobMetadata is what tells the type of quantized tensors to a reader: without it Ollama guesses
// from shapes, often wrongly. Both values are strings.
func BlobMetadata(f quant.Format) map[string]string {
	if !f.IsQuantized() {
		return nil
	}
	return map[string]string{"quant_type": QuantType(f), "group_size": strconv.Itoa(f.GroupSize)}
}

// QuantType is a format's name in a blob's metadata. Ollama knows int4 and int8 of the affine ones;
// the others are ours, on the same pattern.
func QuantType(f quant.Format) string {
	if f.Mode == quant.Affine {
		return "int" + strconv.Itoa(f.Bits)
	}
	return f.Mode.String()
}

// formatOfType is the format that a blob's metadata names: any case, Ollama's aliases, and a group
// of 0 for the type's own. It reports false for a name that says nothing.
func formatOfType(name string, group int) (quant.Format, bool) {
	f := quant.Format{}
	switch n := strings.ToLower(name); n {
	case "fp4", "q4":
		f = quant.FormatInt4
	case "fp8", "q8":
		f = quant.FormatInt8
	case "nvfp4", "mxfp4", "mxfp8":
		f, _ = quant.ParseFormat(n)
	default:
		bits, err := strconv.Atoi(strings.TrimPrefix(n, "int"))
		if err != nil || !strings.HasPrefix(n, "int") {
			return quant.Format{}, false
		}
		f = quant.AffineFormat(bits, 64)
	}
	if group != 0 {
		f.GroupSize = group
	}
	return f, f.Validate() == nil
}
