package qimport

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"qimport/internal/spelling"
	"qimport/internal/untrusted"
	"qimport/quant"
	"qimport/quant/recipe"
	"qimport/runtime"
	"qimport/runtime/mlx"
	"qimport/verify"
	"qimport/verify/report"
)

// Checks is what a verification asks, in words.
type Checks struct {
	Prompt []string `yaml:"prompt"`
	Expect []string `yaml:"expect"` // one for each prompt in turn, or fewer
	Cases  string   `yaml:"cases"`  // file of prompts and expectations
	Length []int    `yaml:"length"`
	Tokens int      `yaml:"tokens"`
	// Needle is the length of a text to hide facts in, MinNeedle the share of them to be found.
	Needle    int      `yaml:"needle"`
	MinNeedle *float64 `yaml:"min_needle"`

	Text           []string `yaml:"text"` // files
	TextTokens     int      `yaml:"text_tokens"`
	Scores         string   `yaml:"scores"`      // file
	SaveScores     string   `yaml:"save_scores"` // file
	MaxKL          *float64 `yaml:"max_kl"`
	MinTop1        *float64 `yaml:"min_top1"`
	MaxPPLIncrease *float64 `yaml:"max_ppl_increase"`
	Ablate         []string `yaml:"ablate"`

	Running `yaml:",inline"`
}

// Running is how a model is run, in words.
type Running struct {
	Device     string `yaml:"device"`
	Compute    string `yaml:"compute"`
	Memory     string `yaml:"memory"` // 0.5 or 50%
	StateDtype string `yaml:"state_dtype"`
}

// Options gives the words their meaning; level "" is smoke. Files are read, named relative to dir.
func (c Checks) Options(level, dir string) (o verify.Options, err error) {
	o = verify.Options{
		Lengths: c.Length, Tokens: c.Tokens, Needle: c.Needle, MinNeedle: c.MinNeedle, TextTokens: c.TextTokens,
		Scores: within(dir, c.Scores), SaveScores: within(dir, c.SaveScores),
		Limits: verify.Limits{MaxKL: c.MaxKL, MinTop1: c.MinTop1, MaxPPLIncrease: c.MaxPPLIncrease},
	}
	if level == "" {
		level = string(report.Smoke)
	}
	if o.Level, err = report.ParseLevel(level); err != nil {
		return o, optionsf("%w", err)
	}
	if err := o.Limits.Validate(); err != nil {
		return o, optionsf("%w", err)
	}
	if err := o.ValidateNeedle(); err != nil {
		return o, optionsf("--needle: %w", err)
	}
	for _, file := range []string{o.Scores, o.SaveScores} { // which may not be there yet
		if err := checkPlace(file); file != "" && err != nil {
			return o, err
		}
	}
	if o.Cases, err = c.cases(dir); err != nil {
		return o, err
	}
	for _, s := range c.Ablate {
		ablation, err := verify.ParseAblate(s)
		if err != nil {
			return o, optionsf("%w", err)
		}
		o.Ablate = append(o.Ablate, ablation)
	}
	if o.Texts, err = readTexts(inFolder(dir, c.Text...)); err != nil {
		return o, err
	}
	o.Runtime, err = c.Running.Options()
	return o, err
}

// cases are the prompts of the file, then the others; nil where there are none.
func (c Checks) cases(dir string) (cases []verify.Case, err error) {
	if c.Cases != "" {
		if cases, err = readCases(within(dir, c.Cases), c.Cases); err != nil {
			return nil, err
		}
	}
	if len(c.Expect) > len(c.Prompt) {
		return nil, optionsf("--expect is given %d times and --prompt %d times: each expectation belongs to a prompt", len(c.Expect), len(c.Prompt))
	}
	for i, prompt := range c.Prompt {
		one := verify.Case{Prompt: prompt}
		if i < len(c.Expect) {
			one.Expect = c.Expect[i]
		}
		if err := one.Validate(); err != nil {
			return nil, optionsf("%w", err)
		}
		cases = append(cases, one)
	}
	return cases, nil
}

// Options gives the words their meaning.
func (r Running) Options() (o runtime.Options, err error) {
	if r.Device != "" {
		if o.Device, err = mlx.ParseDevice(r.Device); err != nil {
			return o, optionsf("--device: %w", err)
		}
	}
	if r.Compute != "" {
		if o.Compute, err = runtime.ParseCompute(r.Compute); err != nil {
			return o, optionsf("--compute: %w", err)
		}
	}
	if r.Memory != "" {
		if o.Memory, err = parseShare(r.Memory); err != nil {
			return o, optionsf("--memory %s: %w", r.Memory, err)
		}
	}
	switch r.StateDtype {
	case "", "f32":
	case "bf16":
		o.StateDtype = quant.BF16
	default:
		return o, optionsf("--state-dtype %s: it is f32 or bf16", r.StateDtype)
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

// maxText bounds a file that is read in a quality verification, in bytes.
const maxText = 64 << 20

// readTexts reads whole files.
func readTexts(files []string) ([]verify.Text, error) {
	var texts []verify.Text
	for _, file := range files {
		b, err := untrusted.ReadFile(file, maxText)
		if err != nil {
			return nil, fmt.Errorf("--text: %w", err)
		}
		texts = append(texts, verify.Text{Name: file, Text: string(b)})
	}
	return texts, nil
}

func readCases(file, name string) ([]verify.Case, error) {
	f, _, err := untrusted.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cases, err := verify.ReadCases(f, name)
	if err == nil {
		err = verify.OpenPictures(cases, filepath.Dir(file))
	}
	if err != nil {
		return nil, optionsf("%w", err)
	}
	return cases, nil
}

// readRecipe reads a file, or, where there is none, the shipped recipe of that name.
func readRecipe(file, name string) (recipe.Recipe, error) {
	f, _, err := untrusted.Open(file)
	if missing := errors.Is(err, fs.ErrNotExist); !strings.ContainsAny(name, `/\`) && (missing || isDir(file)) {
		if shipped, ok := recipe.OpenShipped(name); ok {
			return shipped.Parse()
		}
		if missing {
			names := recipe.ShippedNames()
			return recipe.Recipe{}, optionsf("--recipe %s: there is no such file, and none of that name is shipped%s; shipped are %s", name, spelling.DidYouMean(name, names), strings.Join(names, ", "))
		}
	}
	if err != nil {
		return recipe.Recipe{}, err
	}
	defer f.Close()
	return recipe.Parse(f, name)
}
