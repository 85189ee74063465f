// Command bench measures qimport beside its limits and its peers, in one go on one machine, and
// prints ratios. It makes its own inputs: checkpoints of random weights at released shapes.
//
//	go run ./bench synth [-layers N] [-nvfp4] SHAPE DIR   write a checkpoint
//	go run ./bench import [-n RUNS] [-dir DIR]   imports against hashing and writing alone
//	go run ./bench runtime [-n RUNS] [-dir DIR]  first token, prefill and decode, beside mlx-lm's
//	go run ./bench limit STORE DIR               one run of that limit, as a process of its own
//
// It must not be imported, and measures the built binary only, never its packages.
package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: bench synth SHAPE DIR | import | runtime | limit STORE DIR")

func run(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	switch args[0] {
	case "synth":
		return synthCommand(args[1:])
	case "import":
		return importCommand(args[1:])
	case "runtime":
		return runtimeCommand(args[1:])
	case "limit":
		return limitCommand(args[1:])
	}
	return errUsage
}
