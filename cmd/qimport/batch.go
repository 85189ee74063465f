package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/urfave/cli/v2"

	"qimport/manifest"
	"qimport/quant/recipe"
	"qimport/verify/report"
)

func batchCommand(s stdio) *cli.Command {
	flags := append([]cli.Flag{
		&cli.BoolFlag{Name: "stop-at-failure", Usage: "leave the rest when one fails"},
		&cli.IntFlag{Name: "jobs", Usage: "work on `N` pieces at a time", DefaultText: "one a core"},
	}, checkFlags()...)
	return command(s, "batch", "FILE", "carry out many imports, and sum them up", `
FILE is a YAML list of imports. All of it is read and its words are checked before the first one starts.
An import whose name already points at what it would write, with a verdict that still holds, is
not repeated: after an interruption the same command goes on.

  - source: ./Qwen3.5-0.8B           # relative to FILE
    name: small:nvfp4                # may be left out, as all that follows
    type: nvfp4
    policy: ollama
    overrides: ["**.down_proj=mxfp8"]
    recipe: recipe.yaml              # instead of the three before
    verify: quality

Examples:
  qimport batch nightly.yaml
  qimport batch nightly.yaml --json | jq -c '{name, published}'

Exit status: 0 all done and verified; 1 one failed; 3 none failed, but a verification said no.`,
		1, 1, flags, batch)
}

// batchEntry is one import of a batch file.
type batchEntry struct {
	Source    string   `yaml:"source"`
	Name      string   `yaml:"name"`
	Type      string   `yaml:"type"`
	Policy    string   `yaml:"policy"`
	Overrides []string `yaml:"overrides"`
	Recipe    string   `yaml:"recipe"`
	Requant   bool     `yaml:"allow-requantize"`
	Verify    string   `yaml:"verify"`
}

// batchLine is one import's outcome: the result, or what went wrong.
type batchLine struct {
	importResult
	Source string `json:"source"`
	Status string `json:"status"` // done, unchanged, refused, failed
	Error  string `json:"error,omitempty"`
}

func batch(ctx context.Context, c call) error {
	imports, err := c.readBatch(c.Args().First())
	if err != nil {
		return err
	}
	store, err := c.openStore()
	if err != nil {
		return err
	}
	counts := map[string]int{}
	var failures []error
	for i, o := range imports {
		c.note("%d of %d: %s", i+1, len(imports), o.source)
		line, err := c.batchImport(ctx, store, o)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			line.Error = err.Error()
			failures = append(failures, fmt.Errorf("%s: %w", o.source, err))
		}
		counts[line.Status]++
		if err := c.printLine(line); err != nil {
			return err
		}
		if err != nil && c.Bool("stop-at-failure") {
			break
		}
	}
	c.note("%d imports: %d done, %d unchanged, %d refused, %d failed, %d left out", len(imports), counts["done"],
		counts["unchanged"], counts["refused"], counts["failed"], len(imports)-counts["done"]-counts["unchanged"]-len(failures))
	return batchError(counts["failed"], failures)
}

// batchError joins what went wrong. A failure weighs more than a verification that said no.
func batchError(failed int, failures []error) error {
	joined := errors.Join(failures...)
	if joined != nil && failed > 0 {
		return failedBatch{joined}
	}
	return joined
}

// failedBatch hides the kinds of the errors in it, so that the exit status is that of a failure.
type failedBatch struct{ joined error }

func (f failedBatch) Error() string { return f.joined.Error() }

// batchImport carries one import out, unless the store has its result already.
func (c call) batchImport(ctx context.Context, store *manifest.Store, o importOptions) (batchLine, error) {
	line := batchLine{Source: o.source, Status: "failed", importResult: importResult{Schema: 1}}
	src, err := openSource(ctx, o.source)
	if err != nil {
		return line, err
	}
	defer src.Close()
	if line.Name, err = importName(store, src, o); err != nil {
		return line, err
	}
	w, err := c.writeSource(ctx, store, src, o)
	if err != nil {
		return line, err
	}
	defer w.stage.Keep()
	line.importResult = w.result
	if line.Published, err = unchanged(store, w.result, o.checks.Level); err != nil {
		return line, err
	}
	if line.Published {
		line.Status = "unchanged"
		line.Verification, err = keptReport(store, line.Manifest)
		return line, errors.Join(err, w.stage.Discard())
	}
	line.importResult, err = c.judgeAndPublish(ctx, store, w, o.checks)
	switch {
	case err == nil:
		line.Status = "done"
	case errors.Is(err, errRefused):
		line.Status = "refused"
	}
	return line, err
}

// unchanged says whether the name points at what was just written already, with a verdict that
// answers for it at that level. What was written before is not read again, so that asking is cheap.
func unchanged(store *manifest.Store, r importResult, level report.Level) (bool, error) {
	e, err := store.Lookup(r.Name)
	if errors.Is(err, manifest.ErrNotFound) {
		return false, nil
	}
	if err != nil || e.Digest != r.Manifest || level == report.None {
		return err == nil && e.Digest == r.Manifest, err
	}
	kept, err := keptReport(store, e.Digest)
	if err != nil || kept == nil {
		return false, nil // one that cannot be read is made anew
	}
	return kept.Passed && kept.Stale(e.Digest.String(), level) == "", nil
}

// printLine prints one import's outcome: a line of JSON, or of text.
func (c call) printLine(line batchLine) error {
	if !c.json {
		fprintln(c.out, "%s  %s  %s", cmp.Or(line.Name.String(), line.Source), line.Status, strings.ReplaceAll(line.Error, "\n", "; "))
		return nil
	}
	b, err := json.Marshal(line)
	if err != nil {
		return err
	}
	fprintln(c.out, "%s", b)
	return nil
}

// readBatch reads a batch file. Every type, policy and level in it is checked.
func (c call) readBatch(file string) ([]importOptions, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var entries []batchEntry
	if err := yaml.UnmarshalWithOptions(content, &entries, yaml.Strict()); err != nil {
		return nil, usagef("%s: %w", file, err)
	}
	if len(entries) == 0 {
		return nil, usagef("%s: it lists no imports", file)
	}
	var all []importOptions
	var faults []error
	for i, e := range entries {
		o, err := c.batchOptions(e, filepath.Dir(file))
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: import %d: %w", file, i+1, err))
		}
		all = append(all, o)
	}
	return all, errors.Join(faults...)
}

// batchOptions turns one entry into an import. Paths in it are relative to dir.
func (c call) batchOptions(e batchEntry, dir string) (o importOptions, err error) {
	if e.Source == "" {
		return o, usagef("it names no source")
	}
	o = importOptions{source: e.Source, name: e.Name, jobs: c.Int("jobs")}
	if strings.HasPrefix(e.Source, ".") {
		o.source = filepath.Join(dir, e.Source)
	}
	if o.recipe, err = e.recipe(dir); err != nil {
		return o, err
	}
	if o.name != "" {
		if _, err := manifest.ParseName(o.name); err != nil {
			return o, err
		}
	}
	level := e.Verify
	if level == "" {
		level = string(report.Smoke)
	}
	o.checks, err = c.checkOptions(level)
	return o, err
}

// recipe reads the recipe of an entry: its own words, or a file's.
func (e batchEntry) recipe(dir string) (recipe.Recipe, error) {
	if e.Recipe == "" {
		document, err := yaml.Marshal(map[string]any{"policy": orDefault(e.Policy, "ollama"), "type": orDefault(e.Type, "keep"), "overrides": append([]string{}, e.Overrides...)})
		if err != nil {
			return recipe.Recipe{}, err
		}
		r, err := recipe.Parse(strings.NewReader(string(document)), "batch file")
		r.AllowRequantize = e.Requant
		return r, err
	}
	if e.Type != "" || e.Policy != "" || len(e.Overrides) > 0 {
		return recipe.Recipe{}, usagef("it has a recipe file beside type, policy or overrides")
	}
	f, err := os.Open(filepath.Join(dir, e.Recipe))
	if err != nil {
		return recipe.Recipe{}, err
	}
	defer f.Close()
	r, err := recipe.Parse(io.Reader(f), e.Recipe)
	r.AllowRequantize = e.Requant
	return r, err
}

func orDefault(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
