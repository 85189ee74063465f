package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"qimport"
	"qimport/internal/table"
	"qimport/internal/untrusted"
	"qimport/manifest"
)

func batchCommand(s stdio) *cli.Command {
	flags := slices.Concat(
		group(runtimeGroup, &cli.BoolFlag{Name: "stop-at-failure", Usage: "leave the rest when one fails"}, jobsFlag(), plainHTTPFlag(),
			&cli.StringFlag{Name: "part", Usage: "carry out the part `I/N` of the file alone, such as 1/8"}),
		group(storeGroup, &cli.StringFlag{Name: "push", Usage: "push what is whole to `REGISTRY/REPO[:TAG]`\n{model} and {type} in it stand for the import's; the tag is the name's if none is given."}),
		checkFlags(),
	)
	flags = append(flags, group(outputGroup,
		&cli.BoolFlag{Name: "status", Usage: "say what is done, running, interrupted, refused, failed or missing, and do nothing"},
		&cli.StringSliceFlag{Name: "summary", Usage: "write all results together to `FILE`, in the form its ending says: .md .xml (JUnit) .json"},
		metricsFlag())...)
	return command(s, "batch", "FILE", "carry out many imports, and sum them up", `
FILE is a YAML list of imports. All of it is read and its words are checked before the first one starts.
An import whose name already points at what it would write, with a verdict that still holds, is
not repeated: after an interruption the same command goes on.

  - source: ./Qwen3.5-0.8B           # relative to FILE, as every file here
    name: small:nvfp4                # may be left out, as all that follows
    type: nvfp4
    policy: ollama
    overrides: ["**.down_proj=mxfp8"]
    adapters: ["./style=0.5"]        # as --adapter
    recipe: recipe.yaml              # the words beside it win
    verify: quality
    report: [small.html, small.xml]
    push: registry.example.org/team/small
  - source: ${MODELS}/Qwen3.5-*      # every directory that matches; a variable has to be set
    matrix:                          # one import for each combination
      type: [nvfp4, mxfp8]           # values of a key
      as:                            # or words for keys that belong together
        plain: {}
        searched: {scale_search: true, verify: quality}
    name: "{model}:{type}-{as}"      # in name, report, save_scores and push

Other keys are the flags of import: allow_requantize, scale_search, calibration, method, mtp, mtp_from, for, attest, jobs, prompt, expect, cases,
length, tokens, needle, min_needle, text, text_tokens, scores, save_scores, max_kl, min_top1,
max_ppl_increase, ablate, device, compute, memory, state_dtype. Flags of batch hold for every entry that does not say otherwise.

Examples:
  qimport batch nightly.yaml
  qimport batch nightly.yaml --json | jq -c '{name, published}'
  qimport batch nightly.yaml --summary nightly.xml --summary nightly.md
  qimport batch nightly.yaml --part 3/8 --metrics nightly-3.prom
  qimport batch nightly.yaml --status

Several batches may share a store, also from several machines: what one works at, the others leave to it,
and take over if it dies.

Exit status: 0 all done and verified; 1 one failed (--status: is not done); 3 none failed, but a
verification said no.`,
		1, 1, flags, runBatch)
}

func runBatch(ctx context.Context, c call) error {
	if !c.Bool("status") {
		return c.metered(ctx, "", func(m *qimport.Meter) error { return batchMetered(ctx, c, m) })
	}
	if c.IsSet("metrics") {
		return usagef("--metrics %s: --status does nothing that could be measured", c.String("metrics"))
	}
	return batchMetered(ctx, c, nil)
}

// batchMetered carries a batch out, or says how it stands.
func batchMetered(ctx context.Context, c call, m *qimport.Meter) error {
	file, part := c.Args().First(), c.String("part")
	if m != nil {
		m.Batched(file, part, qimport.BatchSummary{})
	}
	defaults := qimport.BatchDefaults{Request: qimport.Request{Jobs: c.Int("jobs"), Checks: c.checks(), Password: c.password(ctx)}, Push: c.String("push")}
	imports, err := qimport.ReadBatch(file, defaults)
	if err == nil {
		imports, err = qimport.BatchPart(imports, part)
	}
	if err != nil {
		return err
	}
	store, err := c.openStore()
	if err != nil {
		return err
	}
	for i := range imports {
		imports[i].Checks.Version = version
	}
	if c.Bool("status") {
		return c.batchStatus(ctx, store, imports)
	}
	summary, err := qimport.Batch(ctx, store, imports, qimport.BatchOptions{
		StopAtFailure: c.Bool("stop-at-failure"), Push: qimport.PushOptions{PlainHTTP: c.plainHTTP()}, Summaries: c.StringSlice("summary"),
		Each: c.printLine, Watch: m,
	})
	m.Batched(file, part, summary)
	if ctx.Err() != nil || c.json || len(summary.Imports) < 2 {
		return err
	}
	return errors.Join(c.printSummary(summary), err)
}

// printSummary prints what became of each import, once all are through.
func (c call) printSummary(s qimport.BatchSummary) error {
	rows := [][]string{{"NAME", "IMPORT", "VERIFIED", "KL", "SECONDS"}}
	for _, r := range s.Runs() {
		rows = append(rows, []string{r.Name, r.Status, r.Checked(), r.KL(), fmt.Sprintf("%.1f", r.Seconds)})
	}
	return c.print(nil, func(w io.Writer) error {
		fprintln(w, "")
		return table.Write(w, c.width(), rows)
	})
}

// batchStatus prints how the entries stand.
func (c call) batchStatus(ctx context.Context, store *manifest.Store, imports []qimport.BatchEntry) error {
	all, err := qimport.BatchStatus(ctx, store, imports)
	if err != nil && !errors.Is(err, qimport.ErrNotDone) {
		return err
	}
	document := batchState{1, all}
	return errors.Join(c.print(document, func(w io.Writer) error {
		rows := [][]string{{"NAME", "STATE", "HOST", "SINCE", "WHY"}}
		for _, s := range all {
			since := ""
			if !s.Since.IsZero() {
				since = humanize.Time(s.Since)
			}
			rows = append(rows, []string{s.Name.String(), string(s.State), s.Host, since, bounded(strings.ReplaceAll(s.Why, "\n", "; "))})
		}
		return table.Write(w, c.width(), rows)
	}), err)
}

// printLine prints one import's outcome: a line of JSON, or of text.
func (c call) printLine(line qimport.BatchLine) error {
	if !c.json {
		fprintln(c.out, "%s  %s  %s", cmp.Or(line.Name.String(), line.Source), line.Status, bounded(strings.ReplaceAll(line.Error, "\n", "; ")))
		return nil
	}
	b, err := json.Marshal(line)
	if err != nil {
		return err
	}
	fprintln(c.out, "%s", untrusted.JSON(b))
	return nil
}

// batchState is the result of batch --status.
type batchState struct {
	Schema  int                   `json:"schema"`
	Imports []qimport.EntryStatus `json:"imports"`
}
