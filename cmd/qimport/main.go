// Command qimport imports Qwen3.x checkpoints into a store that Ollama reads, and proves the
// result by running it.
//
// This package owns flags, the terminal and exit statuses: each command is one file that turns
// flags into options and calls the packages below. It must not know how anything is done.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
)

// version is set by the linker: -X main.version=v1.2.3.
var version = "unknown"

// patience is how long work that was interrupted may take to end by itself. Whatever is staged by then
// is kept, as if the process had been killed.
const patience = 800 * time.Millisecond

func main() {
	io := stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		stop() // a second signal ends the process at once
		time.Sleep(patience)
		io.json, io.color = asksForJSON(os.Args[1:]), asksForColor(os.Args[1:])
		os.Exit(io.fail(ctx, context.Canceled)) // what does not listen, such as a read of stdin
	})
	os.Exit(run(ctx, os.Args[1:], io))
}

// run is the whole program, but for the process around it: arguments and streams in, exit status
// out.
func run(ctx context.Context, args []string, io stdio) int {
	io.json, io.color = asksForJSON(args), asksForColor(args) // also of what the parser cannot make sense of
	app := application(io)
	cli.HelpPrinter = io.printsHelp // the library has no other place for it
	if len(args) > 0 && args[0] == completeCommand {
		complete(app, args[1:], io.out)
		return 0
	}
	err := app.RunContext(ctx, append([]string{app.Name}, interspersed(app, args)...))
	return io.fail(ctx, err)
}
