package source

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"qimport/quant"
)

// columnScheme is what a config says of weights that are packed input by input: GPTQ, AWQ and
// AutoRound, which packs like either. Bits and groups are told by the arrays.
type columnScheme struct {
	says      string     // who says so, for errors: "quant_method gptq"
	mode      quant.Mode // Keep where nobody says
	bits      int        // of all tensors; 0 where nobody says, or tensors differ
	symmetric bool       // every zero point is in the middle
	stream    bool       // 5, 6 and 7 bits are packed as one stream of bits
}

// parseColumns reads the block of a method that packs so.
func parseColumns(method string, block object) (columnScheme, error) {
	s := columnScheme{says: "quant_method " + method, mode: quant.GPTQ}
	var err error
	switch method {
	case "awq":
		err = s.readAWQ(block)
	case "gptq":
		err = s.readGPTQ(block)
	default:
		err = s.readAutoRound(block)
	}
	if err != nil {
		return s, err
	}
	differ := block.has("dynamic") || block.has("extra_config") || block.has("regex_config")
	for _, key := range []string{"bits", "w_bit", "wbits"} {
		if block.has(key) && json.Unmarshal(block[key], &s.bits) != nil {
			return s, fmt.Errorf("%s is %.40s, no number", key, block[key])
		}
	}
	if differ {
		s.bits = 0
	}
	return s, nil
}

func (s *columnScheme) readGPTQ(block object) error {
	layout := firstWord(block, "checkpoint_format", "format")
	switch layout {
	case "", "gptq":
	case "gptq_v2":
		s.mode = quant.GPTQ2
	case "gptq_p":
		s.mode = quant.GPTQP
	default:
		return unreadable("unsupported GPTQ format %.80q; supported: gptq, gptq_v2, gptq_p", layout)
	}
	s.symmetric = isTrue(block, "sym")
	return nil
}

func (s *columnScheme) readAWQ(block object) error {
	s.mode = quant.AWQ
	if version := firstWord(block, "version", "checkpoint_format", "format"); version != "" && version != "gemm" {
		return unreadable("unsupported AWQ version %.80q; supported: gemm", version)
	}
	if block.has("zero_point") && !isTrue(block, "zero_point") {
		return unreadable("unsupported AWQ without zero points (zero_point %.40s)", block["zero_point"])
	}
	return nil
}

// readAutoRound reads how AutoRound has packed: as GPTQ, as AWQ or, in its own form, as GPTQ with zero
// points as they are. Older releases name the packing by the kernels that were to run it.
func (s *columnScheme) readAutoRound(block object) error {
	if kind := strings.ToLower(block.str("data_type")); kind != "" && kind != "int" {
		return unreadable("unsupported AutoRound data_type %.80q; supported: int", kind)
	}
	if block.has("rotation_config") || block.has("hadamard_config") {
		return unreadable("unsupported AutoRound with rotations, which are applied while running")
	}
	packing := firstWord(block, "packing_format", "backend")
	s.says, s.stream = "AutoRound's packing_format "+packing, true
	name, _ := strings.CutPrefix(packing, "auto_round")
	switch {
	case packing != "" && !strings.HasPrefix(packing, "auto_round") || strings.Contains(name, "fp") || strings.Contains(name, "llm_compressor"):
		return unreadable("unsupported AutoRound packing_format %.80q; supported: auto_round, auto_round:auto_gptq, auto_round:auto_awq", packing)
	case strings.Contains(name, "awq"):
		s.mode = quant.AWQ
	case strings.Contains(name, "gptqmodel"), packing != "" && !strings.Contains(name, "gptq"):
		s.mode = quant.GPTQ2
	}
	s.symmetric = s.mode != quant.AWQ && isTrue(block, "sym")
	return nil
}

// firstWord is the string of the first key that has one, in lower case.
func firstWord(o object, keys ...string) string {
	for _, key := range keys {
		if w := o.str(key); w != "" {
			return strings.ToLower(w)
		}
	}
	return ""
}

func isTrue(o object, key string) bool { return strings.TrimSpace(string(o[key])) == "true" }

// settle joins what the arrays and the config say of the packing.
func (s columnScheme) settle(f quant.Format) (quant.Format, error) {
	switch {
	case s.mode == quant.Keep:
	case (s.mode == quant.AWQ) != (f.Mode == quant.AWQ):
		return f, fmt.Errorf("its codes are packed as %s has them, but the config says %s", f.Mode, s.says)
	default:
		f.Mode = s.mode
	}
	if f.Mode == quant.GPTQP && f.Validate() != nil { // of 2, 4 and 8 bits there is one plane
		f.Mode = quant.GPTQ2
	}
	if f.Bits >= 5 && f.Bits <= 7 && !s.stream && f.Mode != quant.GPTQP {
		return f, unreadable("unsupported packing of %d bits, which differs from maker to maker; known is AutoRound's", f.Bits)
	}
	return f, nil
}

// hold refuses a tensor of other bits than the config says that all have.
func (s columnScheme) hold(f quant.Format) error {
	if s.bits != 0 && s.bits != f.Bits {
		return fmt.Errorf("the config says %d bits, but its codes have %d", s.bits, f.Bits)
	}
	return f.Validate()
}

// columnFiles are where older releases of GPTQ and AWQ tools keep the block, if config.json has none.
var columnFiles = []struct{ name, method string }{{"quantize_config.json", "gptq"}, {"quant_config.json", "awq"}}

// columnMethods are the values of quant_method that name such a scheme.
var columnMethods = []string{"gptq", "awq", "auto-round", "auto_round", "intel/auto-round"}

func isColumnMethod(name string) bool { return slices.Contains(columnMethods, name) }
