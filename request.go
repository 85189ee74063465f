package qimport

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"qimport/convert/adapter"
	"qimport/convert/plan"
	"qimport/quant"
	"qimport/quant/recipe"
	"qimport/verify/attest"
)

// Request is an import in words, as flags and batch files have them. A word left out is that of the
// command line's default; files are named relative to the folder that Options is given.
type Request struct {
	Source string `yaml:"source"`
	Name   string `yaml:"name"`

	Type            string   `yaml:"type"`
	Policy          string   `yaml:"policy"`
	Overrides       []string `yaml:"overrides"` // PATTERN=TYPE; later ones win, all of them over the recipe's
	Recipe          string   `yaml:"recipe"`    // file with policy, type and overrides, or the name of a shipped one
	AllowRequantize bool     `yaml:"allow_requantize"`
	ScaleSearch     bool     `yaml:"scale_search"`
	Calibration     string   `yaml:"calibration"` // file
	Method          string   `yaml:"method"`      // search or gptq
	Adapters        []string `yaml:"adapters"`    // SOURCE or SOURCE=SCALE, fused one after the other
	MTP             string   `yaml:"mtp"`
	MTPFrom         string   `yaml:"mtp_from"` // SOURCE
	Jobs            int      `yaml:"jobs"`
	Part            string   `yaml:"-"`      // I/N; a batch has parts of its own
	For             string   `yaml:"for"`    // ollama or ollama@VERSION
	Attest          string   `yaml:"attest"` // file of the key that signs
	// Password opens that key if it is encrypted; nil knows none.
	Password attest.Password `yaml:"-"`

	Laid `yaml:",inline"`

	Verify string   `yaml:"verify"` // the level
	Report []string `yaml:"report"`
	Checks `yaml:",inline"`
}

// Options gives the words their meaning. What is wrong is ErrOptions, recipe.ErrRecipe,
// quant.ErrFormat, attest.ErrKey or manifest.ErrBadName; files that are named are read.
func (r Request) Options(dir string) (ImportOptions, error) {
	o := ImportOptions{Source: r.Source, Name: r.Name, Jobs: r.Jobs, Reports: inFolder(dir, r.Report...)}
	if strings.HasPrefix(r.Source, ".") {
		o.Source = within(dir, r.Source)
	}
	if strings.HasPrefix(r.MTPFrom, ".") {
		r.MTPFrom = within(dir, r.MTPFrom)
	}
	var err error
	if o.Part, err = ParsePart(r.Part); err != nil {
		return o, err
	}
	if o.For, err = ParseAudience(r.For); err != nil {
		return o, err
	}
	if o.Plan, err = r.planOptions(dir); err != nil {
		return o, err
	}
	if err = r.layOver(&o, dir); err != nil {
		return o, err
	}
	if o.Checks, err = r.Checks.Options(r.Verify, dir); err != nil {
		return o, err
	}
	if r.Attest != "" {
		if o.Attest, err = attest.ReadPrivate(within(dir, r.Attest), r.Password); err != nil {
			return o, fmt.Errorf("--attest %w", err)
		}
	}
	return o, o.check()
}

// layOver adds what a Modelfile and the words over it say.
func (r Request) layOver(o *ImportOptions, dir string) (err error) {
	if o.Lay, err = r.Laid.model(dir); err != nil {
		return err
	}
	if o.Source, err = r.Laid.source(o.Lay, dir, o.Source); err != nil {
		return err
	}
	adapters, err := r.Laid.adapters(o.Lay, dir)
	o.Plan.Adapters = append(adapters, o.Plan.Adapters...)
	return err
}

func (r Request) planOptions(dir string) (o PlanOptions, err error) {
	o.ScaleSearch, o.MTPFrom, o.Calibration = r.ScaleSearch, r.MTPFrom, within(dir, r.Calibration)
	if o.Feedback, err = parseMethod(r.Method); err != nil {
		return o, err
	}
	if o.Feedback {
		if r.Calibration == "" {
			return o, optionsf("--method gptq: it needs a --calibration, made with qimport calibrate --full")
		}
		o.ScaleSearch = true
	}
	if r.Calibration != "" && !o.ScaleSearch {
		return o, optionsf("--calibration %s: it is for --scale-search, which is missing", r.Calibration)
	}
	if r.MTPFrom != "" && r.MTP == "drop" {
		return o, optionsf("--mtp-from %s: --mtp drop leaves the head out again", r.MTPFrom)
	}
	if o.Recipe, err = r.recipe(dir); err != nil {
		return o, err
	}
	if o.Adapters, err = parseAdapters(dir, r.Adapters); err != nil {
		return o, err
	}
	o.MTP, err = parseMTP(r.MTP)
	return o, err
}

// parseAdapters reads SOURCE or SOURCE=SCALE, with directories relative to dir; what is no directory may be the
// name of a repository.
func parseAdapters(dir string, words []string) ([]adapter.Spec, error) {
	var specs []adapter.Spec
	for _, word := range words {
		spec, err := adapter.ParseSpec(word)
		if err != nil {
			return nil, optionsf("--adapter %w", err)
		}
		if there := within(dir, spec.Dir); isDir(there) || !isRepository(spec.Dir) {
			spec.Dir = there
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// recipe reads the file, if one is named; the words beside it win.
func (r Request) recipe(dir string) (out recipe.Recipe, err error) {
	if r.Recipe != "" {
		if out, err = readRecipe(within(dir, r.Recipe), r.Recipe); err != nil {
			return out, err
		}
	}
	if r.Type != "" {
		if out.Type, err = quant.ParseFormat(r.Type); err != nil {
			return out, err
		}
	}
	if r.Policy != "" {
		if out.Policy, err = recipe.ParsePolicy(r.Policy); err != nil {
			return out, err
		}
	}
	for _, s := range r.Overrides {
		rule, err := recipe.ParseOverride(s)
		if err != nil {
			return out, err
		}
		out.Rules = append(out.Rules, rule)
	}
	out.AllowRequantize = r.AllowRequantize
	return out, nil
}

// parseMethod says whether scales are searched with error feedback.
func parseMethod(word string) (feedback bool, err error) {
	switch word {
	case "", "search":
		return false, nil
	case "gptq":
		return true, nil
	}
	return false, optionsf("--method %s: it is search or gptq", word)
}

// parseMTP reads what is to become of the multi-token-prediction head.
func parseMTP(word string) (plan.MTP, error) {
	switch word {
	case "", "auto":
		return plan.MTPAuto, nil
	case "keep":
		return plan.MTPKeep, nil
	case "drop":
		return plan.MTPDrop, nil
	}
	return 0, optionsf("--mtp %s: it is auto, keep or drop", word)
}

// inFolder makes relative paths those of a folder; dir "" leaves all as they are.
func inFolder(dir string, files ...string) []string {
	var out []string
	for _, f := range files {
		out = append(out, within(dir, f))
	}
	return out
}

// within is a path that stays one: "./a/b" must not become "a/b", which may be a repository's name.
func within(dir, file string) string {
	if dir == "" || file == "" || filepath.IsAbs(file) {
		return file
	}
	joined := filepath.Join(dir, file)
	if filepath.IsAbs(joined) || strings.HasPrefix(joined, ".") {
		return joined
	}
	return "./" + joined
}
