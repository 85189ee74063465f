package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"qimport"
	"qimport/internal/table"
	"qimport/verify/report"
)

func tuneCommand(s stdio) *cli.Command {
	return command(s, "tune", "SOURCE", "find the mixture of formats of least divergence for a size, as a recipe", `
Measures what each tensor, or group that must share a format, costs in each format: the mean KL divergence
of the model with this one change from the model without, on the CPU, over passages of text. Then chooses
the mixture whose costs add up to the least within the target, measures it as a whole on passages that were
held back, and writes a recipe for import --recipe, with the cost of each line.

What was measured is kept beside the recipe, in OUT.costs.json: the same command goes on from there, and
another target costs little more than its own measurement.

Examples:
  qimport tune ./Qwen3.5-0.8B --target-bpw 5 --out small.yaml
  qimport tune ./Qwen3.5-0.8B --target-size 600MB --out small.yaml --report small.html
  qimport tune ./Qwen3.5-0.8B --max-kl 0.01 --formats nvfp4,mxfp8 --for ollama --out near.yaml
  qimport import ./Qwen3.5-0.8B --recipe small.yaml --verify quality`,
		1, 1, slices.Concat(
			group(formatsGroup,
				&cli.Float64Flag{Name: "target-bpw", Usage: "most bits a weight, `N`, over all tensors"},
				&cli.StringFlag{Name: "target-size", Usage: "most bytes of all tensors as they are written, as `1.2GB`"},
				&cli.Float64Flag{Name: "max-kl", Usage: "most mean KL divergence over the text, `NATS`\nThe smallest mixture that has it is taken."},
				&cli.StringFlag{Name: "formats", Usage: "`TYPES` that may be chosen, with commas between them\nThat of the source always may.", DefaultText: strings.Join(qimport.DefaultTuneFormats(), ",")},
				&cli.StringFlag{Name: "by", Usage: "change at a time what must share a format in one `layer`, or kind\nkind: in all layers, which is quicker, and good for models of other depths.", Value: "layer"},
				&cli.StringFlag{Name: "for", Usage: "refuse formats that `WHO` would not run: ollama, or ollama@VERSION"},
				&cli.BoolFlag{Name: "scale-search", Usage: "measure with scales searched, for import --scale-search"},
				calibrationFlag(), methodFlag()),
			group(sourceGroup,
				&cli.StringSliceFlag{Name: "text", Usage: "`FILE` to read passages of (repeatable)", DefaultText: "a built-in text"},
				&cli.IntFlag{Name: "text-tokens", Usage: "choose by passages of `N` tokens in all\nAs many others are held back to measure on.", DefaultText: strconv.Itoa(qimport.DefaultTuneTokens)},
				&cli.Uint64Flag{Name: "seed", Usage: "`N` that passages are drawn by"}),
			group(runtimeGroup, memoryFlag("arrays", "")),
			group(outputGroup,
				&cli.StringFlag{Name: "out", Usage: "the recipe's `FILE`"},
				&cli.StringSliceFlag{Name: "report", Usage: "write what was found to `FILE`: .html, with the frontier drawn, or .json"}),
		), runTune)
}

func runTune(ctx context.Context, c call) error {
	o := qimport.TuneOptions{
		Source: c.Args().First(), TargetBPW: c.Float64("target-bpw"), TargetSize: c.String("target-size"), MaxKL: c.Float64("max-kl"),
		By: c.String("by"), For: c.String("for"), Texts: c.StringSlice("text"), Tokens: c.Int("text-tokens"), Seed: c.Uint64("seed"),
		ScaleSearch: c.Bool("scale-search"), Calibration: c.String("calibration"), Method: c.String("method"), Memory: c.String("memory"),
		Out: c.String("out"), Reports: c.StringSlice("report"), Watch: c.stdio,
	}
	if formats := c.String("formats"); formats != "" {
		o.Formats = strings.Split(formats, ",")
	}
	r, err := qimport.Tune(ctx, o)
	if err != nil {
		return err
	}
	return c.print(r, func(w io.Writer) error { return printTuning(w, c.width(), r) })
}

func printTuning(w io.Writer, width int, r report.Tuning) error {
	rows := [][]string{{"tensors", "format", "MB", "of", "KL"}}
	for _, g := range r.Groups {
		chosen := g.Chosen()
		rows = append(rows, []string{g.Name, g.Format, mega(chosen.Bytes), mega(g.Options[0].Bytes), fmt.Sprintf("%.2g", chosen.KL)})
	}
	if err := table.Write(w, width, rows); err != nil {
		return err
	}
	fprintln(w, "")
	rows = [][]string{{"mixture", "bits a weight", "MB", "KL, measured"}}
	for _, p := range append(r.Rivals(), r.Chosen) {
		rows = append(rows, []string{cmp.Or(p.Name(), "the recipe"), fmt.Sprintf("%.2f", p.Bits), mega(p.Bytes), fmt.Sprintf("%.3g", p.KL)})
	}
	if err := table.Write(w, width, rows); err != nil {
		return err
	}
	fprintln(w, "")
	fprintln(w, "%s: %.2f bits a weight, %d bytes, mean KL divergence %.3g nats over %d positions of text that was held back", r.Recipe, r.Bits, r.Written, r.Chosen.KL, r.HeldPositions)
	if r.As != "" {
		fprintln(w, "it is the mixture of %s, which measured better than that of least predicted divergence", r.As)
	}
	fprintln(w, "on the text of the costs %.3g nats, %.3g predicted: measured is %.2f of it", r.Same, r.Predicted, r.Ratio())
	fprintln(w, "%s; text %s, %.0f s", r.Method, r.Text, r.Seconds)
	fprintln(w, "%s", r.Command)
	return nil
}

func mega(n int64) string { return fmt.Sprintf("%.2f", float64(n)/1e6) }
