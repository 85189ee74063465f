package main

import (
	"os"

	"github.com/urfave/cli/v2"

	"qimport/convert/plan"
	"qimport/quant"
	"qimport/quant/recipe"
)

// recipeFlags say which tensor gets which type.
func recipeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "quantize", Aliases: []string{"q"}, Usage: "`TYPE` that the policy gives out: " + quant.FormatList},
		&cli.StringSliceFlag{Name: "override", Usage: "`PATTERN=TYPE` for the tensors that match; later ones win"},
		&cli.StringFlag{Name: "recipe", Usage: "`FILE` (YAML) with policy, type and overrides"},
		&cli.StringFlag{Name: "policy", Usage: "`POLICY` for tensors that no pattern names: ollama, uniform or keep", DefaultText: "ollama"},
		&cli.BoolFlag{Name: "allow-requantize", Usage: "let a quantized tensor become another lossy format"},
		&cli.BoolFlag{Name: "scale-search", Usage: "choose scales of least squared error, not by MLX's plain rule: slower, and other bytes than MLX's"},
		&cli.StringFlag{Name: "mtp", Usage: "`WHAT` to do with the multi-token-prediction head: auto, keep or drop", Value: "auto"},
		&cli.IntFlag{Name: "jobs", Usage: "work on `N` pieces at a time", DefaultText: "one a core"},
	}
}

// recipe reads the recipe from file and flags; flags win.
func (c call) recipe() (recipe.Recipe, error) {
	r, err := c.recipeFile()
	if err != nil {
		return r, err
	}
	if c.IsSet("quantize") {
		if r.Type, err = quant.ParseFormat(c.String("quantize")); err != nil {
			return r, err
		}
	}
	if c.IsSet("policy") {
		if r.Policy, err = recipe.ParsePolicy(c.String("policy")); err != nil {
			return r, err
		}
	}
	for _, s := range c.StringSlice("override") {
		rule, err := recipe.ParseOverride(s)
		if err != nil {
			return r, err
		}
		r.Rules = append(r.Rules, rule)
	}
	r.AllowRequantize = c.Bool("allow-requantize")
	return r, nil
}

func (c call) recipeFile() (recipe.Recipe, error) {
	if !c.IsSet("recipe") {
		return recipe.Recipe{}, nil
	}
	f, err := os.Open(c.String("recipe"))
	if err != nil {
		return recipe.Recipe{}, err
	}
	defer f.Close()
	return recipe.Parse(f, c.String("recipe"))
}

// mtp reads what is to become of the multi-token-prediction head.
func (c call) mtp() (plan.MTP, error) {
	switch s := c.String("mtp"); s {
	case "auto":
		return plan.MTPAuto, nil
	case "keep":
		return plan.MTPKeep, nil
	case "drop":
		return plan.MTPDrop, nil
	default:
		return 0, usagef("--mtp %s: it is auto, keep or drop", s)
	}
}
