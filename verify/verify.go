package verify

import (
	"context"
	"fmt"
	"maps"
	goruntime "runtime"
	"time"

	"qimport/runtime"
	"qimport/verify/peer"
	"qimport/verify/report"
)

// Options says what to ask of a model, and how hard. The zero value asks nothing.
type Options struct {
	Level report.Level

	// Smoke.
	Cases  []Case // nil means DefaultCases
	Tokens int    // length of a generation watched for loops; 0 means none is asked for
	// Needle is the length of a text that facts are hidden in and asked for; 0 means none is. MinNeedle is the
	// least share of them that must be found; nil means 0.75.
	Needle    int
	MinNeedle *float64
	Lengths   []int // prompt lengths at which prefill is held to decoding; nil means DefaultLengths

	// Quality.
	Texts      []Text // what is read, each from its beginning; none means the built-in text
	TextTokens int    // bound on the tokens of each; 0 means 512
	Scores     string // file of the reference's log-probabilities, instead of running Target.Against
	Limits     Limits

	// SaveScores is a file to keep the model's own log-probabilities over the texts in, to be
	// another model's Scores.
	SaveScores string
	Ablate     []Ablate

	// Ollama is one that runs and is asked the same; nil is none.
	Ollama *peer.Peer

	Runtime runtime.Options
	Version string // of the program, for the report
	// Progress is told the name of each check as it starts, and what is being asked; nil is no one.
	Progress func(what string)
	// Announce is told, in a sentence, of work that will take a while before it begins; nil is no one.
	Announce func(text string)
}

// run is one verification under way: what the checks so far have opened.
type run struct {
	Target
	Options
	report report.Report
	subject
}

// step is one check to come: its name is known before it is run, so that it is in the report
// whatever happens.
type step struct {
	name string
	run  func(context.Context) report.Check
}

// Run judges a model. What it finds is in the Report; the error is for options that make no sense,
// for a cancelled context, and for files of the caller's that cannot be written.
func Run(ctx context.Context, t Target, o Options) (report.Report, error) {
	if err := o.validate(); err != nil {
		return report.Report{}, err
	}
	r := &run{Target: t, Options: o, report: newReport(t, o)}
	defer r.close()
	for _, phase := range r.phases() {
		for _, s := range phase() {
			if err := r.do(ctx, s); err != nil {
				return report.Report{}, err
			}
		}
	}
	r.report.Spent()
	maps.Copy(r.report.Environment.Dtypes, r.seen.table())
	r.report.Judge()
	return r.report, nil
}

// phases are the checks of each level in order. Those of a later phase are listed when the ones
// before have run, since some depend on what the model is.
func (r *run) phases() []func() []step {
	phases := []func() []step{r.ollamaSteps}
	if r.Level.Covers(report.Blobs) {
		phases = append(phases, r.blobSteps)
	}
	if r.Level.Covers(report.Smoke) {
		phases = append(phases, r.openSteps, r.smokeSteps, r.ollamaAnswerSteps)
	}
	if r.Level.Covers(report.Quality) {
		phases = append(phases, r.qualitySteps)
	}
	return append(phases, r.scoreSteps)
}

// do runs one step and files its outcome. Only a cancelled context stops the rest.
func (r *run) do(ctx context.Context, s step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.Progress != nil {
		r.Progress(s.name)
	}
	start := time.Now()
	c := s.run(ctx)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("verification of %s stopped at %s: %w", r.Name, s.name, err)
	}
	c.Name, c.Seconds = s.name, time.Since(start).Seconds()
	r.report.Checks = append(r.report.Checks, c)
	return nil
}

func newReport(t Target, o Options) report.Report {
	r := report.Report{
		Schema: report.Schema, Name: t.Name, Manifest: t.Manifest.String(), Level: o.Level,
		Provenance: t.Provenance,
		Environment: report.Environment{
			Versions: map[string]string{"go": goruntime.Version()}, Dtypes: map[string]string{},
			Platform: goruntime.GOOS + "/" + goruntime.GOARCH,
		},
	}
	r.Provenance.Verifier = report.Version
	if o.Version != "" {
		r.Environment.Versions["qimport"] = o.Version
	}
	return r
}

func (o Options) validate() error {
	if _, err := report.ParseLevel(string(o.Level)); err != nil {
		return err
	}
	for _, c := range o.Cases {
		if err := c.Validate(); err != nil {
			return err
		}
		for _, t := range c.turns() {
			if len(t.files) != len(t.Pictures) {
				return fmt.Errorf("prompt %q: its pictures were not opened", c.Prompt)
			}
		}
	}
	for _, n := range o.Lengths {
		if n < 1 {
			return fmt.Errorf("a prompt of %d tokens cannot be prefilled", n)
		}
	}
	if o.Tokens < 0 || o.TextTokens < 0 {
		return fmt.Errorf("%d tokens to generate, %d to read of a text: a number of tokens is 0 or more", o.Tokens, o.TextTokens)
	}
	if !o.Level.Covers(report.Smoke) && (len(o.Ablate) > 0 || o.SaveScores != "") {
		return fmt.Errorf("level %s does not run the model, which ablations and scores need: ask for smoke or quality", o.Level)
	}
	if !o.Level.Covers(report.Smoke) && o.Ollama != nil {
		return fmt.Errorf("level %s does not run the model, with whose answers those of Ollama are compared: ask for smoke or quality", o.Level)
	}
	if err := o.ValidateNeedle(); err != nil {
		return err
	}
	return o.Limits.Validate()
}
