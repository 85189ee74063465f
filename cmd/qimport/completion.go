package main

import (
	"context"
	"embed"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"qimport/internal/spelling"
	"qimport/internal/untrusted"
	"qimport/manifest"
	"qimport/quant"
	"qimport/quant/recipe"
)

//go:embed completion
var completionScripts embed.FS

// shells that there is a script for.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func completionCommand(s stdio) *cli.Command {
	return command(s, "completion", "bash|zsh|fish|powershell", "print what makes a shell complete commands, flags, types and names", `
Examples:
  source <(qimport completion bash)                                     # in ~/.bashrc
  source <(qimport completion zsh)                                      # in ~/.zshrc, after compinit
  qimport completion fish >~/.config/fish/completions/qimport.fish
  qimport completion powershell | Out-String | Invoke-Expression        # in $PROFILE`,
		1, 1, nil, func(_ context.Context, c call) error {
			shell := c.Args().First()
			if !slices.Contains(shells, shell) {
				return usagef("%q is no shell that there are completions for%s; they are for %s", shell, spelling.DidYouMean(shell, shells), strings.Join(shells, ", "))
			}
			script, err := completionScripts.ReadFile("completion/" + shell)
			if err != nil {
				return err
			}
			_, err = c.out.Write(script)
			return err
		})
}

// completeCommand is what the scripts call: its arguments are the words that stand behind qimport so far, the
// last of them begun, perhaps empty. It is no command of the application, whose flags the words are not.
const completeCommand = "__complete"

// candidate is a word that may stand there.
type candidate struct{ word, usage string }

// complete writes the candidates, one a line: a word, a tab, what it is. None are for files.
func complete(app *cli.App, words []string, out io.Writer) {
	for _, c := range candidates(app, words) {
		usage, _, _ := strings.Cut(strings.ReplaceAll(c.usage, "`", ""), "\n")
		fmt.Fprintf(out, "%s\t%s\n", untrusted.Text(c.word), untrusted.Text(usage))
	}
}

func candidates(app *cli.App, words []string) []candidate {
	if len(words) == 0 {
		words = []string{""}
	}
	typed, begun := words[:len(words)-1], words[len(words)-1]
	var all []candidate
	if at := commandIndex(app, typed); at >= 0 {
		all = argumentCandidates(app.Command(typed[at]), typed, begun)
	} else if len(typed) == 0 {
		for _, c := range app.Commands {
			all = append(all, candidate{c.Name, c.Usage})
		}
	}
	return slices.DeleteFunc(all, func(c candidate) bool { return !strings.HasPrefix(c.word, begun) })
}

// argumentCandidates are those for what stands behind a command.
func argumentCandidates(command *cli.Command, typed []string, begun string) (all []candidate) {
	if flag := valueWanted(command, typed[len(typed)-1]); flag != "" {
		return valueCandidates(flag, "", begun)
	}
	if word, value, ok := strings.Cut(begun, "="); ok {
		if flag := valueWanted(command, word); flag != "" {
			return valueCandidates(flag, word+"=", value)
		}
	}
	if strings.HasPrefix(begun, "-") {
		for _, f := range command.Flags {
			all = append(all, candidate{dashes(f.Names()[0]), f.(cli.DocGenerationFlag).GetUsage()})
		}
		return all
	}
	switch {
	case command.Name == "recipes":
		for _, name := range recipe.ShippedNames() {
			all = append(all, candidate{name, "a recipe"})
		}
	case command.Name == "completion":
		for _, shell := range shells {
			all = append(all, candidate{shell, ""})
		}
	case strings.Contains(command.ArgsUsage, "NAME"):
		for _, name := range storedNames(typed) {
			all = append(all, candidate{name, "a model of the store"})
		}
	}
	return all
}

// valueCandidates are those for a flag's value, which stands behind before in its word, and is begun.
func valueCandidates(flag, before, begun string) (all []candidate) {
	values := flagValues[flag]
	if at := strings.LastIndex(begun, "="); at >= 0 && flag == "override" { // PATTERN=TYPE
		before, values = before+begun[:at+1], flagValues["quantize"]
	}
	for _, v := range values {
		all = append(all, candidate{before + v, ""})
	}
	return all
}

// valueWanted is the flag that the word is, if a value must follow it.
func valueWanted(command *cli.Command, word string) string {
	for _, f := range command.Flags {
		takes, ok := f.(cli.DocGenerationFlag)
		for _, name := range f.Names() {
			if ok && takes.TakesValue() && (word == dashes(name) || word == "-"+name) {
				return f.Names()[0]
			}
		}
	}
	return ""
}

// flagValues are the words that flags take, where they are few.
var flagValues = map[string][]string{
	"quantize": slices.DeleteFunc(strings.Fields(quant.FormatList), func(s string) bool { return strings.ContainsAny(s, "[") }),
	"recipe":   recipe.ShippedNames(),
	"policy":   {"ollama", "uniform", "keep"},
	"mtp":      {"auto", "keep", "drop"},
	"for":      {"ollama"},
	"verify":   {"none", "blobs", "smoke", "quality"},
	"level":    {"blobs", "smoke", "quality"},
	"device":   {"auto", "cpu", "gpu"},
	"compute":  {"auto", "quantized", "bf16", "f32"},
	"ablate":   {"state=bf16", "decay=bf16"},
	"method":   {"search", "gptq"},
	"color":    colorValues,
}

// storedNames are those of the store that is meant; none where it cannot be read.
func storedNames(typed []string) (names []string) {
	root, err := manifest.DefaultRoot()
	for i, word := range typed {
		if dir, ok := strings.CutPrefix(word, "--store="); ok {
			root, err = dir, nil
		} else if i > 0 && typed[i-1] == "--store" {
			root, err = word, nil
		}
	}
	if err != nil {
		return nil
	}
	store, err := manifest.Open(root)
	if err != nil {
		return nil
	}
	entries, _ := store.List() // what is damaged has no name to offer
	for _, e := range entries {
		names = append(names, e.Name.String())
	}
	return names
}
