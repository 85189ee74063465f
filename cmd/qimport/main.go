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
)

// version is set by the linker: -X main.version=v1.2.3.
var version = "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once: whatever is staged by then is kept.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// run is the whole program, but for the process around it: arguments and streams in, exit status
// out.
func run(ctx context.Context, args []string, io stdio) int {
	io.json = asksForJSON(args) // also of what the parser cannot make sense of
	app := application(io)
	err := app.RunContext(ctx, append([]string{app.Name}, interspersed(app, args)...))
	return io.fail(ctx, err)
}
