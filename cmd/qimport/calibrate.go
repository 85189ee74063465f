package main

import (
	"context"
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"qimport"
)

func calibrateCommand(s stdio) *cli.Command {
	return command(s, "calibrate", "SOURCE | --join A B …", "measure what goes into each linear map, for import --calibration", `
Runs the source over text on the CPU, a layer at a time, and keeps of each linear map and expert the mean
square of every column of its input, and how often an expert was chosen, as safetensors. import
--scale-search --calibration FILE then chooses scales of least error of the output.

Without --text it reads a built-in text: prose, code and dialogue in several scripts. What one machine has
no time for can be done in parts, text by text, and joined.

--full keeps the products of any two columns as well, as far as they go into --full-size, for import --method
gptq. They are written when a layer is done: memory holds those of one layer.

Examples:
  qimport calibrate ./Qwen3.5-0.8B --out calibration.safetensors
  qimport calibrate ./Qwen3.5-0.8B --text mails.txt --text code.txt --out calibration.safetensors
  qimport calibrate --join a.safetensors b.safetensors --out both.safetensors
  qimport import ./Qwen3.5-0.8B -q nvfp4 --scale-search --calibration calibration.safetensors
  qimport calibrate ./Qwen3.5-0.8B --full --out full.safetensors
  qimport import ./Qwen3.5-0.8B -q nvfp4 --method gptq --calibration full.safetensors`,
		1, -1, slices.Concat(
			group(sourceGroup,
				&cli.StringSliceFlag{Name: "text", Usage: "`FILE` to read\nRepeatable; each is read from its beginning.", DefaultText: "a built-in text"},
				&cli.IntFlag{Name: "text-tokens", Usage: "read at most `N` tokens of each text", DefaultText: "all"},
				&cli.BoolFlag{Name: "join", Usage: "join the calibrations that are named, of one model"}),
			group(runtimeGroup, memoryFlag("arrays", "")),
			group(outputGroup,
				&cli.StringFlag{Name: "out", Usage: "`FILE` to write"},
				&cli.BoolFlag{Name: "full", Usage: "keep the products of any two columns as well, for import --method gptq\nThe file is much larger then."},
				&cli.StringFlag{Name: "full-size", Usage: "`SIZE` that these may take in the file, the smallest first", DefaultText: qimport.DefaultFullSize}),
		), runCalibrate)
}

func runCalibrate(ctx context.Context, c call) error {
	o := qimport.CalibrateOptions{
		Texts: c.StringSlice("text"), Tokens: c.Int("text-tokens"), Full: c.Bool("full"), FullSize: c.String("full-size"), Memory: c.String("memory"), Out: c.String("out"), Watch: c.stdio,
	}
	switch named := c.Args().Slice(); {
	case c.Bool("join"):
		o.Join = named
	case len(named) > 1:
		return usagef("it is: qimport calibrate SOURCE, or with --join the files to join")
	default:
		o.Source = named[0]
	}
	r, err := qimport.Calibrate(ctx, o)
	if err != nil {
		return err
	}
	return c.print(r, func(w io.Writer) error {
		fprintln(w, "%s  %s", r.File, r.Digest)
		fprintln(w, "of %s over %d tokens, text %s: %s, %.1f s", r.Model, r.Tokens, r.Text, plural(r.Tensors, "tensor"), r.Seconds)
		if r.Full > 0 {
			fprintln(w, "second moments of %d of them", r.Full)
		}
		if r.Experts > 0 {
			fprintln(w, "%d of %d experts were never chosen", r.Unchosen, r.Experts)
		}
		return nil
	})
}
