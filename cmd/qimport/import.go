package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"qimport/convert/plan"
	"qimport/manifest"
	"qimport/quant/recipe"
	"qimport/verify"
	"qimport/verify/report"
)

func importCommand(s stdio) *cli.Command {
	flags := append([]cli.Flag{
		&cli.StringFlag{Name: "name", Usage: "`NAME[:TAG]` of the model in the store", DefaultText: "the source's name, with the type as tag"},
		&cli.StringFlag{Name: "verify", Usage: "`LEVEL` to verify before the name moves: none, blobs, smoke or quality", Value: string(report.Smoke)},
		reportFlag(),
		&cli.BoolFlag{Name: "dry-run", Usage: "print the plan and stop"},
		&cli.BoolFlag{Name: "all", Usage: "with --dry-run: a line for every tensor"},
	}, recipeFlags()...)
	return command(s, "import", "SOURCE", "write a checkpoint into the store, verify it, then move the name", `
Everything that can be checked is checked before the first byte is written. Interrupted, the
same command goes on where it stopped; until the last step the name keeps what it had.

Examples:
  qimport import ./Qwen3.5-0.8B -q nvfp4
  qimport import mlx-community/Qwen3.5-0.8B-4bit --name small:4bit
  qimport import ./Qwen3.5-0.8B -q nvfp4 --override '**.down_proj=mxfp8' --verify quality --report r.html

Exit status: 0 imported and verified; 1 failed; 2 wrong usage; 3 written whole, but the
verification said no and the name was not moved; 130 interrupted.`,
		1, 1, append(flags, checkFlags()...), runImport)
}

// importOptions are the flags of an import.
type importOptions struct {
	source string
	name   string // "" for the source's own
	recipe recipe.Recipe
	mtp    plan.MTP
	search bool // scales of least squared error
	jobs   int
	checks verify.Options
}

// importOptions reads the flags of import and plan.
func (c call) importOptions() (o importOptions, err error) {
	o = importOptions{source: c.Args().First(), name: c.String("name"), jobs: c.Int("jobs"), search: c.Bool("scale-search")}
	if o.jobs < 0 {
		return o, usagef("--jobs %d: it is a number of workers, or 0 for one a core", o.jobs)
	}
	if o.recipe, err = c.recipe(); err != nil {
		return o, err
	}
	o.mtp, err = c.mtp()
	return o, err
}

func runImport(ctx context.Context, c call) error {
	o, err := c.importOptions()
	if err != nil {
		return err
	}
	if o.checks, err = c.checkOptions(c.String("verify")); err != nil {
		return err
	}
	if err := c.checkReports(o.checks.Level); err != nil {
		return err
	}
	store, err := c.openStore()
	if err != nil {
		return err
	}
	src, err := openSource(ctx, o.source)
	if err != nil {
		return err
	}
	defer src.Close()
	if c.Bool("dry-run") {
		p, err := makePlan(ctx, src, o)
		if err != nil {
			return err
		}
		return c.printPlan(p, store, o.jobs)
	}
	result, err := c.importSource(ctx, store, src, o)
	if err != nil && !errors.Is(err, errRefused) {
		return err
	}
	if r := result.Verification; r != nil {
		err = errors.Join(err, c.writeReports(r))
	}
	return errors.Join(c.print(result, result.write), err)
}

// checkReports refuses reports that could not be written, before anything is run.
func (c call) checkReports(level report.Level) error {
	names := c.StringSlice("report")
	if len(names) > 0 && level == report.None {
		return usagef("--report %s: --verify none leaves nothing to report", names[0])
	}
	return checkReportNames(names)
}

// importSource is an import from plan to name. Where the verification says no, the error is
// errRefused beside a result that tells why.
func (s stdio) importSource(ctx context.Context, store *manifest.Store, src openedSource, o importOptions) (importResult, error) {
	w, err := s.writeSource(ctx, store, src, o)
	if err != nil {
		return importResult{}, err
	}
	defer w.stage.Keep()
	return s.judgeAndPublish(ctx, store, w, o.checks)
}

// importName is the name to publish under. Where the store has it in another case, that one is
// meant, as with Ollama.
func importName(store *manifest.Store, src openedSource, o importOptions) (manifest.Name, error) {
	name, err := src.defaultName(o.recipe)
	if o.name != "" {
		name, err = manifest.ParseName(o.name)
	}
	if err != nil {
		return name, err
	}
	if existing, err := store.Lookup(name); err == nil {
		return existing.Name, nil
	}
	return name, nil
}

// judgeAndPublish verifies the staged model and, if that says yes, moves the name to it.
func (s stdio) judgeAndPublish(ctx context.Context, store *manifest.Store, w written, checks verify.Options) (importResult, error) {
	result := w.result
	if checks.Level != report.None {
		r, err := s.judge(ctx, w.target, checks)
		if err != nil {
			return result, err
		}
		result.Verification = &r
		result.Seconds = time.Since(w.start).Seconds()
		if !r.Passed {
			return result, fmt.Errorf("%w: %s was not moved; what was written waits for another try", errRefused, result.Name)
		}
	}
	digest, err := w.stage.Publish(ctx, result.Name, w.manifest)
	if err != nil {
		return result, err
	}
	result.Published = true
	result.Seconds = time.Since(w.start).Seconds()
	if result.Verification == nil {
		return result, nil
	}
	return result, putReport(store, digest, result.Verification)
}
