package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// shippedFolder has the recipes that come with the program.
const shippedFolder = "quant/recipe/shipped"

// recipesCommand measures the shipped recipes on the trained checkpoints, and writes into each what it costs there.
func recipesCommand(args []string) error {
	flags := flag.NewFlagSet("bench recipes", flag.ContinueOnError)
	var b bench
	flags.StringVar(&b.dir, "dir", filepath.Join(os.TempDir(), "qimport-bench"), "a `folder` for stores")
	flags.StringVar(&b.qimport, "qimport", "bin/qimport", "the built binary")
	write := flags.Bool("write", false, "write into the comments of the recipes in "+shippedFolder)
	if err := flags.Parse(args); err != nil {
		return err
	}
	said, err := b.recipes()
	if err != nil {
		return err
	}
	for _, name := range shippedRecipes {
		fmt.Printf("%s\n%s", name, said[name])
		if *write {
			if err := sayMeasured(filepath.Join(shippedFolder, name+".yaml"), said[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// shippedRecipes are those that are measured.
var shippedRecipes = []string{"small", "balanced", "near-lossless"}

// recipes are the comments with what was measured, by recipe.
func (b bench) recipes() (map[string]string, error) {
	fixtures, err := trained("recipes")
	if err != nil {
		return nil, err
	}
	scratch := filepath.Join(b.dir, outputs)
	if err := os.RemoveAll(scratch); err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	said := map[string]string{}
	for _, name := range shippedRecipes {
		said[name] = measuredMark + " nats of mean KL divergence\n" +
			"# of small trained models from themselves, over the text of a verification (1,895 positions):\n"
	}
	for _, m := range tunedModels {
		w := tunedBench{bench: b, model: m, dir: filepath.Join(fixtures, m), out: filepath.Join(scratch, m), store: filepath.Join(scratch, "store")}
		if err := os.MkdirAll(w.out, 0o755); err != nil {
			return nil, err
		}
		if err := w.calibrate(); err != nil {
			return nil, err
		}
		for _, name := range shippedRecipes {
			bits, plain, fed, err := w.measured([]string{"--recipe", name})
			if err != nil {
				return nil, err
			}
			said[name] += fmt.Sprintf("#   %s: %s, with --method gptq %s, in %.2f bits a weight\n", m, nats(plain), nats(fed), bits)
		}
	}
	return said, nil
}

// measuredMark begins the comment with what was measured, which goes on to the end of the comments before the
// recipe's first line.
const measuredMark = "# Measured by `go run ./bench recipes -write`:"

// sayMeasured puts the comment into a recipe's file, in the place of the one before.
func sayMeasured(file, comment string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	about, rules, ok := strings.Cut(string(b), "\npolicy:")
	if !ok {
		return fmt.Errorf("%s: no line of it begins with the policy", file)
	}
	about, _, _ = strings.Cut(about, "#\n"+measuredMark)
	about = strings.TrimRight(about, "\n")
	return os.WriteFile(file, []byte(about+"\n#\n"+comment+"policy:"+rules), 0o644)
}
