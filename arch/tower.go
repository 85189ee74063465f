package arch

import (
	"errors"
	"fmt"
	"strings"
)

// Tower is the part of a model that sees pictures; zero where the config has no vision_config. The
// text model runs without it, so that what is wrong with it is a Flaw and no finding of the config.
type Tower struct {
	Depth, Hidden, Intermediate, Heads int
	Channels                           int // of a picture
	Patch, Temporal                    int // a patch is Temporal frames of Patch by Patch pixels
	Merge                              int // that many by that many patches become one token
	Positions                          int // rows of the table of positions, a square
	Out                                int // width of a token: the text model's hidden size
	Theta                              float64
	Deepstack                          []int // blocks after which features are taken for the first text layers
	// Sections are how many pairs of the text model's rotary dimensions turn by time, row and column.
	Sections [3]int
	// ImageToken stands in a prompt where a picture does, VisionStart and VisionEnd around it; 0 if unsaid.
	ImageToken, VisionStart, VisionEnd int
	Flaw                               string // why it cannot be run; "" if it can
}

// Limits of a tower, far above any, as those of parse.go are.
const (
	maxDepth     = 1 << 10
	maxPatch     = 64
	maxTemporal  = 4
	maxMerge     = 8
	maxTable     = 1 << 20
	defaultTheta = 10000 // of the tower, whose older configs do not say it
)

// Side is how many positions the table has along each side of its square.
func (v Tower) Side() int {
	n := 1
	for (n+1)*(n+1) <= v.Positions {
		n++
	}
	return n
}

// HeadDim is the width of a head.
func (v Tower) HeadDim() int { return v.Hidden / v.Heads }

// MergeWidth is the width of the patches that become a token, side by side.
func (v Tower) MergeWidth() int { return v.Merge * v.Merge * v.Hidden }

// readTower reads vision_config and the tokens that stand for pictures.
func (c *Config) readTower(top, text section) {
	if !top.has("vision_config") {
		return
	}
	var findings []error
	s := newSection("vision_config.", top.values["vision_config"], &findings)
	top.findings, text.findings = &findings, &findings
	v := Tower{
		Depth: s.size("depth", maxDepth), Hidden: s.size("hidden_size", maxWidth), Intermediate: s.size("intermediate_size", maxWidth),
		Heads: s.size("num_heads", maxHeads), Channels: c.VisionChannels, Patch: s.size("patch_size", maxPatch),
		Temporal: s.sizeOr("temporal_patch_size", 2, maxTemporal), Merge: s.sizeOr("spatial_merge_size", 2, maxMerge),
		Positions: s.size("num_position_embeddings", maxTable), Out: s.size("out_hidden_size", maxWidth),
		Theta: defaultTheta, Sections: c.readMRoPE(text),
	}
	if v.Channels != 3 {
		s.unsupported("%sin_channels %d is not supported; supported: 3", s.path, v.Channels)
	}
	if act := s.word("hidden_act", "gelu_pytorch_tanh"); act != "gelu_pytorch_tanh" {
		s.unsupported("%shidden_act %q is not supported; supported: gelu_pytorch_tanh", s.path, act)
	}
	if v.Heads > 0 && (v.Hidden%v.Heads != 0 || v.HeadDim()%4 != 0) {
		s.bad("%shidden_size %d over num_heads %d makes no heads whose width is a multiple of 4", s.path, v.Hidden, v.Heads)
	}
	if v.Out > 0 && v.Out != c.HiddenSize {
		s.bad("%sout_hidden_size is %d, the text model's hidden_size %d", s.path, v.Out, c.HiddenSize)
	}
	if v.Positions > 0 && v.Side()*v.Side() != v.Positions {
		s.bad("%snum_position_embeddings is %d, which is no square", s.path, v.Positions)
	}
	if s.has("rope_parameters") {
		v.Theta = s.section("rope_parameters").number("rope_theta", defaultTheta)
	}
	if !(v.Theta > 1) {
		s.bad("%srope_theta is not above 1", s.path)
	}
	v.Deepstack = v.readDeepstack(s, c.Layers)
	if key := "deepstack_visual_indexes"; c.Family.Deep() && !s.has(key) {
		s.bad("%s%s is missing", s.path, key) // by the blocks of one model in transformers
	}
	for key, id := range map[string]*int{"image_token_id": &v.ImageToken, "vision_start_token_id": &v.VisionStart, "vision_end_token_id": &v.VisionEnd} {
		*id = top.sizeOr(key, 0, c.VocabSize-1)
	}
	v.Flaw = sentence(findings)
	c.Tower = v
}

// readDeepstack reads which blocks' features go to the text model's first layers: a rising list.
func (v Tower) readDeepstack(s section, layers int) []int {
	var at []int
	s.read("deepstack_visual_indexes", &at, "a list of blocks")
	for i, block := range at {
		if block < 0 || block >= v.Depth || i > 0 && block <= at[i-1] || i >= layers {
			s.bad("%sdeepstack_visual_indexes is %v; a rising list of blocks from 0 to %d is needed, of not more than %d", s.path, at, v.Depth-1, layers)
			return nil
		}
	}
	return at
}

// readMRoPE reads how the text model's rotary dimensions are shared out: mrope_section, by default as
// transformers has it.
func (c *Config) readMRoPE(text section) [3]int {
	parts := []int{11, 11, 10}
	if c.Family.Deep() {
		parts = []int{24, 20, 20}
	}
	for _, key := range []string{"rope_scaling", "rope_parameters"} {
		if text.has(key) {
			text.section(key).read("mrope_section", &parts, "a list of three numbers")
		}
	}
	if len(parts) != 3 || min(parts[0], parts[1], parts[2]) < 0 || parts[0]+parts[1]+parts[2] != c.RoPE.Dims/2 ||
		3*max(parts[1], parts[2]) > c.RoPE.Dims/2+2 {
		text.bad("mrope_section is %v; three numbers are needed that share out %d pairs in turns", parts, c.RoPE.Dims/2)
		return [3]int{}
	}
	return [3]int{parts[0], parts[1], parts[2]}
}

// sentence is findings as one text, "" if there are none.
func sentence(findings []error) string {
	if len(findings) == 0 {
		return ""
	}
	return strings.ReplaceAll(fmt.Sprint(errors.Join(findings...)), "\n", "; ")
}
