package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"qimport/quant"
	"qimport/runtime"
	"qimport/runtime/mlx"
	"qimport/verify"
	"qimport/verify/report"
)

// checkFlags say what a verification asks, and how the model is run for it.
func checkFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringSliceFlag{Name: "prompt", Usage: "ask `TEXT` (repeatable)"},
		&cli.StringSliceFlag{Name: "expect", Usage: "`REGEX` that the answer must match, one for each --prompt in turn"},
		&cli.StringFlag{Name: "cases", Usage: "`FILE` (YAML) of prompts and expectations"},
		&cli.IntSliceFlag{Name: "length", Usage: "hold prefill to single steps at `N` tokens (repeatable)", DefaultText: "1, 31, 33, 513, 2049"},
		&cli.IntFlag{Name: "tokens", Usage: "also watch a generation of `N` tokens for loops"},
		&cli.StringSliceFlag{Name: "text", Usage: "`FILE` to read in a quality verification (repeatable; each is read from its beginning)", DefaultText: "a built-in text"},
		&cli.IntFlag{Name: "text-tokens", Usage: "read at most `N` tokens of each", DefaultText: "512"},
		&cli.StringFlag{Name: "scores", Usage: "`FILE` of the reference's log-probabilities, in place of the source"},
		&cli.StringFlag{Name: "save-scores", Usage: "keep the model's own log-probabilities in `FILE`, as another's reference"},
		&cli.Float64Flag{Name: "max-kl", Usage: "most mean KL divergence, `NATS`", DefaultText: "by format"},
		&cli.Float64Flag{Name: "min-top1", Usage: "least `SHARE` of positions with the same likeliest token", DefaultText: "by format"},
		&cli.Float64Flag{Name: "max-ppl-increase", Usage: "most increase of perplexity, as a `SHARE`", DefaultText: "by format"},
		&cli.StringSliceFlag{Name: "ablate", Usage: "also show what is lost with `WHAT`: state=bf16 or decay=bf16"},
	}, runtimeFlags()...)
}

// checkOptions reads them.
func (c call) checkOptions(level string) (o verify.Options, err error) {
	o = verify.Options{
		Lengths: c.IntSlice("length"), Tokens: c.Int("tokens"), TextTokens: c.Int("text-tokens"),
		Scores: c.String("scores"), SaveScores: c.String("save-scores"),
		Limits: verify.Limits{MaxKL: c.limit("max-kl"), MinTop1: c.limit("min-top1"), MaxPPLIncrease: c.limit("max-ppl-increase")},
	}
	if o.Level, err = report.ParseLevel(level); err != nil {
		return o, usagef("%w", err)
	}
	if err := o.Limits.Validate(); err != nil {
		return o, usagef("%w", err)
	}
	if o.Cases, err = c.cases(); err != nil {
		return o, err
	}
	for _, s := range c.StringSlice("ablate") {
		ablation, err := verify.ParseAblate(s)
		if err != nil {
			return o, usagef("%w", err)
		}
		o.Ablate = append(o.Ablate, ablation)
	}
	if o.Texts, err = readTexts(c.StringSlice("text")); err != nil {
		return o, err
	}
	o.Runtime, err = c.runtimeOptions()
	return o, err
}

// limit is the value of a flag, or nil where the user leaves it to the default.
func (c call) limit(flag string) *float64 {
	if !c.IsSet(flag) {
		return nil
	}
	v := c.Float64(flag)
	return &v
}

// cases are the prompts of a file, then those of the command line; nil where there are none.
func (c call) cases() (cases []verify.Case, err error) {
	if name := c.String("cases"); name != "" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if cases, err = verify.ReadCases(f, name); err != nil {
			return nil, usagef("%w", err)
		}
	}
	prompts, expects := c.StringSlice("prompt"), c.StringSlice("expect")
	if len(expects) > len(prompts) {
		return nil, usagef("--expect is given %d times and --prompt %d times: each expectation belongs to a prompt", len(expects), len(prompts))
	}
	for i, prompt := range prompts {
		one := verify.Case{Prompt: prompt}
		if i < len(expects) {
			one.Expect = expects[i]
		}
		if err := one.Validate(); err != nil {
			return nil, usagef("%w", err)
		}
		cases = append(cases, one)
	}
	return cases, nil
}

// runtimeFlags say how a model is run.
func runtimeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "device", Usage: "run on `DEVICE`: auto, cpu or gpu", Value: "auto"},
		&cli.StringFlag{Name: "compute", Usage: "weights in memory as `WHAT`: auto, f32, bf16 or quantized", Value: "auto"},
		&cli.StringFlag{Name: "memory", Usage: "`SHARE` of the machine's memory that weights may take, as 0.5 or 50%", Value: fmt.Sprint(runtime.DefaultMemory)},
		&cli.StringFlag{Name: "state-dtype", Usage: "keep the delta state as `DTYPE`: f32, or bf16 to see what that costs", Value: "f32"},
	}
}

// runtimeOptions reads them.
func (c call) runtimeOptions() (o runtime.Options, err error) {
	if o.Device, err = mlx.ParseDevice(c.String("device")); err != nil {
		return o, usagef("--device: %w", err)
	}
	if o.Compute, err = runtime.ParseCompute(c.String("compute")); err != nil {
		return o, usagef("--compute: %w", err)
	}
	if o.Memory, err = parseShare(c.String("memory")); err != nil {
		return o, usagef("--memory %s: %w", c.String("memory"), err)
	}
	switch s := c.String("state-dtype"); s {
	case "f32":
	case "bf16":
		o.StateDtype = quant.BF16
	default:
		return o, usagef("--state-dtype %s: it is f32 or bf16", s)
	}
	return o, nil
}

// parseShare reads "0.5" or "50%".
func parseShare(text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	share, err := strconv.ParseFloat(number, 64)
	if percent {
		share /= 100
	}
	if err != nil || !(share > 0 && share <= 1) {
		return 0, errors.New("it is a share of the machine's memory above 0 and at most 1, such as 0.5")
	}
	return share, nil
}
