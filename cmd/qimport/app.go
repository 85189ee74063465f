package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"qimport/internal/spelling"
	"qimport/internal/untrusted"
)

const about = `Exit status: 0 done and verified; 1 failed; 2 wrong usage; 3 imported or found whole,
but the verification said no; 130 interrupted.

Results go to stdout, everything else to stderr. With --json the result is one JSON
document (batch: one line a model), and so is an error.

A SOURCE is a directory, or org/name[@revision] in the Hugging Face cache (HF_HOME),
where it is fetched to if need be. The store is --store, else OLLAMA_MODELS, else
~/.ollama/models.`

// application is the command line as a whole.
func application(s stdio) *cli.App {
	app := &cli.App{
		Name:        "qimport",
		Usage:       "import Qwen3.x checkpoints, and prove them by running them",
		Version:     version,
		Description: about,
		Commands: []*cli.Command{
			importCommand(s), planCommand(s), verifyCommand(s), runCommand(s),
			listCommand(s), showCommand(s), diffCommand(s), compareCommand(s), cpCommand(s), rmCommand(s), gcCommand(s), checkCommand(s),
			attestCommand(s), checkAttestationCommand(s),
			exportCommand(s), pushCommand(s), pullCommand(s), batchCommand(s), calibrateCommand(s), tuneCommand(s), recipesCommand(s), doctorCommand(s),
			versionCommand(s), completionCommand(s), manCommand(s),
		},
		Reader: s.in, Writer: s.out, ErrWriter: s.err,
		DisableSliceFlagSeparator: true,                         // patterns hold commas
		ExitErrHandler:            func(*cli.Context, error) {}, // only main exits
		OnUsageError:              usageError,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return noCommand(c)
			}
			return cli.ShowAppHelp(c)
		},
	}
	return app
}

// call is one command as the user typed it.
type call struct {
	*cli.Context
	stdio
}

// command is what every command has in common: the flags for output, and a description that ends
// in examples. do gets at least min and at most max arguments; -1 is any number.
func command(s stdio, name, arguments, usage, description string, min, max int, flags []cli.Flag, do func(context.Context, call) error) *cli.Command {
	common := slices.Concat(group(storeGroup, &cli.StringFlag{Name: "store", Usage: "the store's `DIR`\nLeft out, it is OLLAMA_MODELS, else ~/.ollama/models."}),
		group(outputGroup,
			&cli.BoolFlag{Name: "json", Usage: "print the result as JSON"},
			&cli.BoolFlag{Name: "quiet", Usage: "print nothing to stderr but errors\nOf a verdict only what did not pass is printed."}),
		rare(outputGroup,
			&cli.StringFlag{Name: "color", Usage: "colours in what is printed: `WHEN` is auto, always or never\nauto: on a terminal, unless NO_COLOR is set.", Value: colorAuto}))
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: arguments, Description: strings.TrimSpace(description),
		Flags: append(flags, common...), OnUsageError: usageError, HideHelpCommand: true,
		Action: func(c *cli.Context) error {
			if n := c.NArg(); n < min || max >= 0 && n > max {
				return usagef("it is: qimport %s", strings.TrimSpace(name+" "+arguments))
			}
			if color := c.String("color"); !slices.Contains(colorValues, color) {
				return usagef("--color %s: it is %s%s", color, strings.Join(colorValues, ", "), spelling.DidYouMean(color, colorValues))
			}
			s.json, s.quiet, s.color = c.Bool("json"), c.Bool("quiet"), c.String("color")
			return do(c.Context, call{c, s})
		},
	}
}

// fprintln writes one formatted line. Names, prompts and errors in it may come from anywhere: what would
// steer a terminal is written as an escape.
func fprintln(w io.Writer, format string, args ...any) {
	io.WriteString(w, untrusted.Lines(fmt.Sprintf(format, args...), 0)+"\n")
}
