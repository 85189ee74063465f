package main

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"qimport"
	"qimport/internal/untrusted"
)

func batchCommand(s stdio) *cli.Command {
	flags := slices.Concat(
		group(runtimeGroup, &cli.BoolFlag{Name: "stop-at-failure", Usage: "leave the rest when one fails"}, jobsFlag(), plainHTTPFlag()),
		group(storeGroup, &cli.StringFlag{Name: "push", Usage: "push what is whole to `REGISTRY/REPO[:TAG]`\n{model} and {type} in it stand for the import's; the tag is the name's if none is given."}),
		checkFlags(),
	)
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

Exit status: 0 all done and verified; 1 one failed; 3 none failed, but a verification said no.`,
		1, 1, flags, batch)
}

func batch(ctx context.Context, c call) error {
	defaults := qimport.BatchDefaults{Request: qimport.Request{Jobs: c.Int("jobs"), Checks: c.checks(), Password: c.password(ctx)}, Push: c.String("push")}
	imports, err := qimport.ReadBatch(c.Args().First(), defaults)
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
	return qimport.Batch(ctx, store, imports, qimport.BatchOptions{
		StopAtFailure: c.Bool("stop-at-failure"), Push: qimport.PushOptions{PlainHTTP: c.plainHTTP()}, Each: c.printLine, Watch: c.stdio,
	})
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
