package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"qimport"
	"qimport/arch/files"
	"qimport/internal/untrusted"
	"qimport/runtime"
	"qimport/runtime/chat"
)

func runCommand(s stdio) *cli.Command {
	flags := slices.Concat(
		group(answerGroup,
			&cli.StringFlag{Name: "system", Usage: "`TEXT` of the system turn"},
			&cli.StringSliceFlag{Name: "image", Usage: "show the model the picture `FILE` before the prompt\nPNG, JPEG, GIF or WebP. Repeatable."},
			&cli.BoolFlag{Name: "raw", Usage: "give the model the prompt as it is, without its chat template"},
			&cli.BoolFlag{Name: "think", Usage: "let the model think before it answers"},
			&cli.BoolFlag{Name: "no-think", Usage: "keep it from thinking"},
			&cli.IntFlag{Name: "max-tokens", Usage: "answer with at most `N` tokens", DefaultText: "what the context has room for"},
			&cli.Float64Flag{Name: "temperature", Usage: "`T` above 0 draws the next token, 0 takes the likeliest"},
			&cli.IntFlag{Name: "top-k", Usage: "draw from the `K` likeliest"},
			&cli.Float64Flag{Name: "top-p", Usage: "draw from the likeliest that together have this `PROBABILITY`"},
			&cli.Float64Flag{Name: "min-p", Usage: "draw from those at least this `SHARE` as likely as the likeliest"},
			&cli.Float64Flag{Name: "repetition-penalty", Usage: "make tokens seen less likely by `FACTOR`"},
			&cli.Uint64Flag{Name: "seed", Usage: "`NUMBER` from which chance follows"},
			&cli.StringSliceFlag{Name: "stop", Usage: "end the answer before `TEXT` (repeatable)"},
			&cli.IntFlag{Name: "draft", Usage: "let the model's prediction head guess `N` tokens ahead\nThey are then checked together."}),
		runtimeFlags(),
	)
	return command(s, "run", "NAME|DIR [PROMPT]", "ask a model", `
Without PROMPT: a conversation where stdin is a terminal (/bye or ctrl-D ends it, /help says more), else
the prompt is what stdin holds. Answers are drawn as the model's generation_config.json says, else the
likeliest tokens are taken. What a Modelfile laid over the model (SYSTEM, PARAMETER, MESSAGE) holds over that, and
a flag over both. --draft changes no answer, but for rounding, and says how much it gained.

Examples:
  qimport run small:nvfp4 'What is 2+2?'
  qimport run ./Qwen3.5-0.8B 'Tell me a story.' --temperature 0.7 --seed 1 --max-tokens 200
  qimport run ./Qwen3.5-0.8B 'What differs?' --image before.png --image after.png
  git diff | qimport run small:nvfp4 --json`,
		1, 2, flags, runModel)
}

// runResult is one answer, as scripts read it.
type runResult struct {
	Schema      int                `json:"schema"`
	Prompt      string             `json:"prompt"`
	Answer      string             `json:"answer"`
	Tokens      []int              `json:"tokens"`
	Stop        runtime.StopReason `json:"stop"`
	Prefill     runtime.Timing     `json:"prefill"`
	Decode      runtime.Timing     `json:"decode"`
	Drafts      *runtime.Drafts    `json:"drafts,omitempty"`  // where some were asked for
	Speedup     float64            `json:"speedup,omitempty"` // by them, where it was measured
	Environment runEnvironment     `json:"environment"`
}

// runEnvironment is what an answer was computed with.
type runEnvironment struct {
	MLX     string            `json:"mlx"`
	Backend string            `json:"backend"`
	Weights string            `json:"weights"`
	Dtypes  map[string]string `json:"dtypes"`       // of live arrays
	Active  int64             `json:"active_bytes"` // in MLX's arrays: weights, caches
	Peak    int64             `json:"peak_bytes"`   // the most that was
}

func runModel(ctx context.Context, c call) error {
	request, err := c.generation()
	if err != nil {
		return err
	}
	pictures, err := readPictures(c.StringSlice("image"))
	if err != nil {
		return err
	}
	options, err := c.running().Options()
	if err != nil {
		return err
	}
	found, err := qimport.Find(c.openStore, c.Args().First())
	if err != nil {
		return err
	}
	overlay, err := found.Overlay()
	if err != nil {
		return err
	}
	model, err := qimport.Load(ctx, found, options)
	if err != nil {
		return err
	}
	defer model.Close()
	if request.Draft > 0 {
		if err := model.LoadHead(ctx); err != nil {
			return fmt.Errorf("--draft: %s: %w", found.Name, err)
		}
	}
	meant := model.Said.Sampling
	asked := request.Sampling
	request = overlaid(drawnBy(request, meant, c.IsSet), overlay, c.IsSet)
	if model.Template == nil && !c.Bool("raw") {
		return fmt.Errorf("%s: %w; --raw gives it the prompt as it is", found.Name, chat.ErrNoTemplate)
	}
	c.note("%s: %s", found.Name, model.Placement)
	if how := sampled(request.Sampling); request.Sampling != asked && how != "" {
		c.note("%s", how)
	}
	if c.NArg() == 1 && isTerminal(c.in) && !c.json {
		return c.converse(ctx, found.Name, model, request, pictures)
	}
	prompt, err := c.prompt()
	if err != nil {
		return err
	}
	return c.answer(ctx, model, request, prompt, pictures)
}

// generation reads the flags that shape an answer.
func (c call) generation() (runtime.GenerateOptions, error) {
	o := runtime.GenerateOptions{
		MaxTokens: c.Int("max-tokens"),
		Draft:     c.Int("draft"),
		Stop:      c.StringSlice("stop"),
		Sampling: runtime.Sampling{
			Temperature: c.Float64("temperature"), TopK: c.Int("top-k"), TopP: c.Float64("top-p"), MinP: c.Float64("min-p"),
			RepetitionPenalty: c.Float64("repetition-penalty"), Seed: c.Uint64("seed"),
		},
	}
	if c.Bool("think") && c.Bool("no-think") {
		return o, usagef("--think and --no-think exclude each other")
	}
	if c.Bool("raw") && c.IsSet("system") {
		return o, usagef("--raw leaves no place for --system")
	}
	if c.Bool("raw") && c.IsSet("image") {
		return o, usagef("--raw leaves no place for --image")
	}
	if n := c.Int("draft"); c.IsSet("draft") && (n < 1 || n > runtime.MostDrafts) {
		return o, usagef("--draft %d: there are 1 to %d", n, runtime.MostDrafts)
	}
	if c.Bool("think") || c.Bool("no-think") {
		thinks := c.Bool("think")
		o.Chat.EnableThinking = &thinks
	}
	if c.IsSet("system") {
		o.Messages = []chat.Message{{Role: "system", Content: c.String("system")}}
	}
	return o, nil
}

// drawnBy is a request whose answers are drawn as a file says, where no flag says otherwise.
func drawnBy(o runtime.GenerateOptions, s files.Sampling, set func(flag string) bool) runtime.GenerateOptions {
	fill(&o.Sampling.Temperature, s.Temperature, set("temperature"))
	fill(&o.Sampling.TopK, s.TopK, set("top-k"))
	fill(&o.Sampling.TopP, s.TopP, set("top-p"))
	fill(&o.Sampling.MinP, s.MinP, set("min-p"))
	fill(&o.Sampling.RepetitionPenalty, s.RepetitionPenalty, set("repetition-penalty"))
	return o
}

// sampled says how tokens are chosen, where the model's files have a say in it; "" if they are the likeliest. A
// penalty on what was said makes others likelier at any temperature.
func sampled(s runtime.Sampling) string {
	penalty, likeliest := "", "--temperature 0"
	if s.RepetitionPenalty != 0 && s.RepetitionPenalty != 1 {
		penalty, likeliest = fmt.Sprintf("repetition penalty %g", s.RepetitionPenalty), likeliest+" --repetition-penalty 1"
	}
	switch {
	case s.Temperature == 0 && penalty == "":
		return ""
	case s.Temperature == 0:
		return fmt.Sprintf("the likeliest tokens are taken, under a %s; --repetition-penalty 1 is without", penalty)
	case penalty != "":
		penalty = ", " + penalty
	}
	return fmt.Sprintf("answers are drawn: temperature %g, top-k %d, top-p %g, min-p %g%s; %s takes the likeliest",
		s.Temperature, s.TopK, s.TopP, s.MinP, penalty, likeliest)
}

// overlaid is a request with what a Modelfile laid over the model, where no flag says otherwise.
func overlaid(o runtime.GenerateOptions, over qimport.Overlay, set func(flag string) bool) runtime.GenerateOptions {
	p := over.Parameters
	o = drawnBy(o, files.Sampling{Temperature: p.Temperature, TopK: p.TopK, TopP: p.TopP, MinP: p.MinP, RepetitionPenalty: p.RepeatPenalty}, set)
	if p.NumPredict != nil && *p.NumPredict > 0 {
		fill(&o.MaxTokens, p.NumPredict, set("max-tokens"))
	}
	if p.Seed != nil && *p.Seed >= 0 && !set("seed") {
		o.Sampling.Seed = uint64(*p.Seed)
	}
	if !set("stop") {
		o.Stop = append(o.Stop, p.Stop...)
	}
	if over.System != "" && !set("system") && !set("raw") {
		o.Messages = append([]chat.Message{{Role: "system", Content: over.System}}, o.Messages...)
	}
	if !set("raw") {
		o.Messages = append(o.Messages, over.Turns()...)
	}
	return o
}

// fill gives a setting the value that it has none of its own for.
func fill[T any](to *T, value *T, set bool) {
	if value != nil && !set {
		*to = *value
	}
}

// maxPrompt bounds a prompt from stdin, in bytes: more than a context has room for.
const maxPrompt = 16 << 20

// prompt is the second argument or, without one, all of stdin.
func (c call) prompt() (string, error) {
	if c.NArg() == 2 {
		return c.Args().Get(1), nil
	}
	b, err := untrusted.ReadAll(c.in, "stdin", maxPrompt)
	if err != nil {
		return "", err
	}
	if text := strings.TrimSuffix(string(b), "\n"); text != "" {
		return text, nil
	}
	return "", usagef("there is no prompt, neither as an argument nor on stdin")
}

// answer prints one answer, as it comes or as one document.
func (c call) answer(ctx context.Context, model *runtime.Model, o runtime.GenerateOptions, prompt string, pictures [][]byte) error {
	if c.Bool("raw") {
		o.Prompt = prompt
	} else {
		o.Messages = append(o.Messages, chat.Message{Role: "user", Content: prompt, Pictures: pictures})
	}
	var emit func(string)
	if !c.json {
		emit = func(piece string) { fmt.Fprint(c.out, piece) }
	}
	a, err := model.Generate(ctx, o, emit)
	if !c.json {
		fmt.Fprintln(c.out)
	}
	if err != nil {
		return err
	}
	c.note("%s; MLX held %s at most", rates(a), size(model.Memory().Peak))
	if !c.json {
		return nil
	}
	p, info, memory := a.Precision, model.Info(), model.Memory()
	return c.print(runResult{
		Schema: 1, Prompt: prompt, Answer: a.Text, Tokens: append([]int{}, a.Tokens...), Stop: a.Stop, Prefill: a.Prefill, Decode: a.Decode,
		Drafts: a.Drafts, Speedup: speedup(a.Drafts),
		Environment: runEnvironment{
			MLX: info.Version, Backend: info.Backend, Weights: model.Placement.String(), Active: memory.Active, Peak: memory.Peak,
			Dtypes: map[string]string{
				"delta_state": p.DeltaState.String(), "decay": p.Decay.String(), "conv_state": p.ConvState.String(),
				"kv": p.KV.String(), "activations": p.Activations.String(),
			},
		},
	}, nil)
}

// rates says how quickly an answer came.
func rates(a runtime.Answer) string {
	text := fmt.Sprintf("read %s, wrote %s, ended by %s", rate(a.Prefill), rate(a.Decode), a.Stop)
	if a.Drafts != nil {
		text += "; " + gained(*a.Drafts)
	}
	return text
}

// gained says what drafts were good for, as single steps of the same answer tell it.
func gained(d runtime.Drafts) string {
	faster := d.Speedup()
	switch {
	case d.Steps == 0:
		return "the answer ended before anything was drafted"
	case faster == 0:
		return fmt.Sprintf("%d of %d drafts accepted, too few steps to time them", d.Accepted, d.Drafted)
	}
	text := fmt.Sprintf("%d of %d drafts accepted in %s: %.1f tokens/s, %.1f/s in %s", d.Accepted, d.Drafted, plural(d.Steps, "step"),
		float64(d.With.Tokens)/d.With.Seconds, float64(d.Plain.Tokens)/d.Plain.Seconds, plural(d.Plain.Tokens, "single step"))
	if faster <= 1 {
		return text + fmt.Sprintf(", so nothing was gained (%.2f times as fast)", faster)
	}
	return text + fmt.Sprintf(", %.2f times as fast", faster)
}

func speedup(d *runtime.Drafts) float64 {
	if d == nil {
		return 0
	}
	return d.Speedup()
}

func rate(t runtime.Timing) string {
	if t.Seconds <= 0 {
		return plural(t.Tokens, "token")
	}
	return fmt.Sprintf("%s at %.1f/s", plural(t.Tokens, "token"), float64(t.Tokens)/t.Seconds)
}
