package ollama

// The table. A version is the first release that has the thing; all later ones up to Newest have it.

// architectures are those that x/models registers, by the name in config.json, among the ones that qimport
// imports. There is no Qwen3MoeForCausalLM.
var architectures = map[string]Version{
	"Qwen3ForCausalLM":                     "0.17.0",
	"Qwen3NextForCausalLM":                 "0.17.6",
	"Qwen3NextForConditionalGeneration":    "0.17.6",
	"Qwen3NextMoeForCausalLM":              "0.17.6",
	"Qwen3NextMoeForConditionalGeneration": "0.17.6",
	"Qwen3_5ForCausalLM":                   "0.17.6",
	"Qwen3_5ForConditionalGeneration":      "0.17.6",
	"Qwen3_5MoeForCausalLM":                "0.17.6",
	"Qwen3_5MoeForConditionalGeneration":   "0.17.6",
}

// formats are the names in a blob's metadata that the runner knows. Any other name is read as affine of 8
// bits in groups of 32, which no other format is.
var formats = map[string]Version{
	"int4": "0.17.6", "int8": "0.17.6", "nvfp4": "0.17.6", "mxfp8": "0.17.6", "mxfp4": "0.18.3",
}

// What came to models/qwen3_5 later than the model.
const (
	globalScales Version = "0.18.3" // .global_scale beside an nvfp4 weight
	mtpHeads     Version = "0.32.6" // before, the head's tensors are read and not used
	visionTower  Version = "0.32.7" // before, the same
)

// ToolForm is how a model is told of tools and calls them.
type ToolForm uint8

// The forms of a call between <tool_call> and </tool_call>.
const (
	NoTools   ToolForm = iota
	JSONTools          // {"name": …, "arguments": {…}}
	XMLTools           // <function=NAME><parameter=P>…
)

// Part is a parser or a renderer of Ollama.
type Part struct {
	Since    Version
	Tools    ToolForm
	Thinking bool
}

// parsers take an answer apart. Those of other families are left out, since their marks are other.
var parsers = map[string]Part{
	"qwen3":             {"0.17.0", JSONTools, false},
	"qwen3-thinking":    {"0.17.0", JSONTools, true},
	"qwen3.5":           {"0.17.1", XMLTools, true},
	"ornith":            {"0.30.11", XMLTools, true},
	"qwen3-coder":       {"0.17.0", XMLTools, false},
	"qwen3-vl-instruct": {"0.17.0", JSONTools, false},
	"qwen3-vl-thinking": {"0.17.0", JSONTools, true},
	"passthrough":       {"0.17.0", NoTools, false},
}

// renderers write a prompt. Thinking is whether they heed that it is asked for.
var renderers = map[string]Part{
	"qwen3-coder":       {"0.17.0", XMLTools, false},
	"qwen3-vl-instruct": {"0.17.0", JSONTools, true},
	"qwen3-vl-thinking": {"0.17.0", JSONTools, true},
	"qwen3.5":           {"0.17.1", XMLTools, true},
	"ornith":            {"0.30.11", XMLTools, true},
	"qwen3.8":           {"0.32.12", XMLTools, true},
}

// Parser is what is known of a parser by name.
func Parser(name string) (Part, bool) { p, ok := parsers[name]; return p, ok }

// Renderer is what is known of a renderer by name.
func Renderer(name string) (Part, bool) { p, ok := renderers[name]; return p, ok }
