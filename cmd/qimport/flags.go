package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"qimport"
	"qimport/quant"
	"qimport/quant/recipe"
	"qimport/runtime"
)

// Flags that several commands have, and the words that they make.

func jobsFlag() cli.Flag {
	return &cli.IntFlag{Name: "jobs", Usage: "work on `N` pieces at a time", DefaultText: "one a core"}
}

func reportFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "report", Usage: "write the report to `FILE`: .json .xml (JUnit) .html .md\nAlso .txt, and .annotations: what did not pass, as commands of a GitHub workflow."}
}

func adapterFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "adapter", Usage: "fuse the adapter `SOURCE[=SCALE]` into the source's weights\nA directory or org/name, of PEFT or mlx-lm. Repeatable: one after the other."}
}

func mtpFromFlag() cli.Flag {
	return &cli.StringFlag{Name: "mtp-from", Usage: "take the multi-token-prediction head of `SOURCE`\nThe release that a conversion was made from which lost it."}
}

func ollamaFlag() cli.Flag {
	return &cli.StringFlag{Name: "ollama", Usage: "ask the Ollama at `URL`", DefaultText: "OLLAMA_HOST, else this machine"}
}

func calibrationFlag() cli.Flag {
	return &cli.StringFlag{Name: "calibration", Usage: "`FILE` of qimport calibrate, by which --scale-search weighs errors\nAn error counts by what goes into its column."}
}

func keyFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "key", Usage: "`FILE` of a public key (PEM)\nRepeatable: one of them must have signed."}
}

// signerFlags name who is to have signed without a key.
func signerFlags() []cli.Flag {
	return rare(trustGroup,
		&cli.StringFlag{Name: "identity", Usage: "`NAME` of who may have signed by a certificate of sigstore, in place of a key\nAn address, or the URI of a workflow. An installed cosign is asked."},
		&cli.StringFlag{Name: "issuer", Usage: "`URL` of the provider that vouches for --identity"},
		&cli.StringFlag{Name: "trusted-root", Usage: "`FILE` of sigstore's own keys, so that no network is needed", DefaultText: "cosign fetches them"})
}

func requireFlag() cli.Flag {
	return &cli.StringFlag{Name: "require", Usage: "`POLICY` that signed statements are held to\nWords with commas between them; qimport check-attestation --help lists them."}
}

func methodFlag() cli.Flag {
	return &cli.StringFlag{Name: "method", Usage: "`METHOD` of the scale search: search or gptq\nsearch: each group by itself. gptq: columns make up for the errors of those before them, which needs the --calibration of calibrate --full.", DefaultText: "search"}
}

// recipeFlags say which tensor gets which type.
func recipeFlags() []cli.Flag {
	return slices.Concat(
		group(sourceGroup, adapterFlag()),
		group(formatsGroup,
			&cli.StringFlag{Name: "quantize", Aliases: []string{"q"}, Usage: "`TYPE`: " + quant.FormatList + "\nThe policy gives it out to the tensors that are worth it."},
			&cli.StringSliceFlag{Name: "override", Usage: "`PATTERN=TYPE` for the tensors that match\nRepeatable; later ones win."},
			&cli.StringFlag{Name: "recipe", Usage: "`FILE` (YAML) with policy, type and overrides, or a name\nShipped are " + strings.Join(recipe.ShippedNames(), ", ") + ": qimport recipes."},
			&cli.StringFlag{Name: "policy", Usage: "`POLICY` of all other tensors: ollama, uniform or keep", DefaultText: "ollama"},
			&cli.BoolFlag{Name: "scale-search", Usage: "choose scales of least squared error: slower, better\nScales are then not those of MLX's plain rule, and bytes are other than MLX's."}),
		rare(formatsGroup,
			&cli.StringFlag{Name: "for", Usage: "refuse what `WHO` would not run: ollama, or ollama@VERSION"},
			calibrationFlag(),
			methodFlag(),
			&cli.BoolFlag{Name: "allow-requantize", Usage: "let a quantized tensor become another lossy format"},
			&cli.StringFlag{Name: "mtp", Usage: "`WHAT` to do with the multi-token-prediction head: auto, keep, drop", Value: "auto"},
			mtpFromFlag()),
		rare(runtimeGroup, jobsFlag()),
	)
}

// layFlags say what is laid over the weights.
func layFlags() []cli.Flag {
	return slices.Concat(
		group(layGroup,
			&cli.StringFlag{Name: "modelfile", Usage: "`FILE` in Ollama's form\nIt may hold FROM, SYSTEM, TEMPLATE, PARAMETER, LICENSE, MESSAGE, PARSER, RENDERER, REQUIRES and ADAPTER."},
			&cli.StringFlag{Name: "system", Usage: "`TEXT` of the system turn where a conversation has none\n'' takes it away."}),
		rare(layGroup,
			&cli.StringSliceFlag{Name: "parameter", Usage: "`NAME=VALUE` as PARAMETER has it\nRepeatable; stop may be given several times."},
			&cli.StringFlag{Name: "template", Usage: "`TEXT` of Ollama's template\n'' takes it away."},
			&cli.StringSliceFlag{Name: "license", Usage: "`FILE` with a licence\nRepeatable."},
			&cli.StringFlag{Name: "parser", Usage: "`NAME` of Ollama's parser", DefaultText: "by family"},
			&cli.StringFlag{Name: "renderer", Usage: "`NAME` of Ollama's renderer", DefaultText: "by family and template"},
			&cli.StringFlag{Name: "requires", Usage: "least `VERSION` of Ollama", DefaultText: "0.19.0"}),
	)
}

// laid are the words of layFlags.
func (c call) laid() qimport.Laid {
	return qimport.Laid{
		Modelfile: c.String("modelfile"), System: c.text("system"), Template: c.text("template"), Parameters: c.StringSlice("parameter"),
		Licenses: c.StringSlice("license"), Parser: c.String("parser"), Renderer: c.String("renderer"), Requires: c.String("requires"),
	}
}

// text is the value of a flag, or nil where it is not given.
func (c call) text(flag string) *string {
	if !c.IsSet(flag) {
		return nil
	}
	v := c.String(flag)
	return &v
}

// request is what the flags of import and plan say.
func (c call) request() qimport.Request {
	return qimport.Request{
		Source: c.Args().First(), Name: c.String("name"),
		Type: c.String("quantize"), Policy: c.String("policy"), Overrides: c.StringSlice("override"), Recipe: c.String("recipe"),
		AllowRequantize: c.Bool("allow-requantize"), ScaleSearch: c.Bool("scale-search"), Calibration: c.String("calibration"), Method: c.String("method"), Adapters: c.StringSlice("adapter"), MTP: c.String("mtp"), MTPFrom: c.String("mtp-from"), Jobs: c.Int("jobs"), For: c.String("for"),
		Laid:   c.laid(),
		Verify: c.String("verify"), Report: c.StringSlice("report"), Checks: c.checks(),
	}
}

// checkFlags say what a verification asks, and how the model is run for it.
func checkFlags() []cli.Flag {
	return slices.Concat(
		group(checkGroup,
			&cli.StringSliceFlag{Name: "prompt", Usage: "ask `TEXT` (repeatable)"},
			&cli.StringSliceFlag{Name: "expect", Usage: "`REGEX` that the answer must match, one for each --prompt in turn"},
			&cli.StringSliceFlag{Name: "text", Usage: "`FILE` to read in a quality verification\nRepeatable; each is read from its beginning.", DefaultText: "a built-in text"}),
		rare(checkGroup,
			&cli.Float64Flag{Name: "max-kl", Usage: "most mean KL divergence, `NATS`", DefaultText: "by format"},
			&cli.StringFlag{Name: "cases", Usage: "`FILE` (YAML) of prompts and expectations"},
			&cli.Float64Flag{Name: "min-top1", Usage: "least `SHARE` of positions with the same likeliest token", DefaultText: "by format"},
			&cli.Float64Flag{Name: "max-ppl-increase", Usage: "most increase of perplexity, as a `SHARE`", DefaultText: "by format"},
			&cli.IntFlag{Name: "text-tokens", Usage: "read at most `N` tokens of each text", DefaultText: "512"},
			&cli.IntSliceFlag{Name: "length", Usage: "hold prefill to single steps at `N` tokens (repeatable)", DefaultText: "1, 3, 31, 33, 513, and 2049 where that is quick"},
			&cli.IntFlag{Name: "tokens", Usage: "also watch a generation of `N` tokens for loops"},
			&cli.IntFlag{Name: "needle", Usage: "also hide facts in a text of `N` tokens, and ask for each"},
			&cli.Float64Flag{Name: "min-needle", Usage: "least `SHARE` of these facts that must be found", DefaultText: "0.75"},
			&cli.StringFlag{Name: "scores", Usage: "`FILE` of the reference's log-probabilities, in place of the source"},
			&cli.StringFlag{Name: "save-scores", Usage: "keep the model's own log-probabilities in `FILE`, as another's reference"},
			&cli.StringSliceFlag{Name: "ablate", Usage: "also show what is lost with `WHAT`: state=bf16 or decay=bf16"}),
		runtimeFlags(),
	)
}

// checks are the words of checkFlags.
func (c call) checks() qimport.Checks {
	return qimport.Checks{
		Prompt: c.StringSlice("prompt"), Expect: c.StringSlice("expect"), Cases: c.String("cases"),
		Length: c.IntSlice("length"), Tokens: c.Int("tokens"), Needle: c.Int("needle"), MinNeedle: c.limit("min-needle"), Text: c.StringSlice("text"), TextTokens: c.Int("text-tokens"),
		Scores: c.String("scores"), SaveScores: c.String("save-scores"),
		MaxKL: c.limit("max-kl"), MinTop1: c.limit("min-top1"), MaxPPLIncrease: c.limit("max-ppl-increase"),
		Ablate: c.StringSlice("ablate"), Running: c.running(),
	}
}

// limit is the value of a flag, or nil where the user leaves it to the default.
func (c call) limit(flag string) *float64 {
	if !c.IsSet(flag) {
		return nil
	}
	v := c.Float64(flag)
	return &v
}

// runtimeFlags say how a model is run.
func runtimeFlags() []cli.Flag {
	return slices.Concat(
		group(runtimeGroup, &cli.StringFlag{Name: "device", Usage: "run on `DEVICE`: auto, cpu or gpu", Value: "auto"}),
		rare(runtimeGroup,
			&cli.StringFlag{Name: "compute", Usage: "compute with weights as `WHAT`: auto, quantized, f32 or bf16\nquantized: as they are stored, on a CPU where they lie. f32, bf16: widened in memory. auto: quantized, on a GPU bf16 where that fits.", Value: "auto"},
			memoryFlag("a model's arrays", " Weights that are used where they lie do not count."),
			&cli.StringFlag{Name: "state-dtype", Usage: "keep the delta state as `DTYPE`: f32, or bf16 to see what that costs", Value: "f32"}),
	)
}

func memoryFlag(of, more string) cli.Flag {
	return &cli.StringFlag{Name: "memory", Usage: "`SHARE` of the machine's memory that " + of + " may take\nA number or a percentage, as 0.5 or 50%." + more, Value: fmt.Sprint(runtime.DefaultMemory)}
}

// running are the words of runtimeFlags.
func (c call) running() qimport.Running {
	return qimport.Running{Device: c.String("device"), Compute: c.String("compute"), Memory: c.String("memory"), StateDtype: c.String("state-dtype")}
}
