// Command bench measures qimport beside its limits and its peers, in one go on one machine, and
// prints ratios as tables in Markdown. It makes its own inputs: checkpoints of random weights at
// released shapes.
//
//	go run ./bench [-write FILE] [-full] [-n RUNS] [-dir DIR]   all tables (all flags: -h)
//	go run ./bench import|verify|run                            one of them, with the same flags
//	go run ./bench quality                                      what choosing scales is worth, on the fixtures
//	go run ./bench calibrate [-full] [-only SHAPE]              what calibrating and tuning take
//	go run ./bench tuned [-peers LIST] [-only MODEL]            mixtures, and mlx-lm's own, on the fixtures
//	go run ./bench variants [-within 4G]                        several variants of one source, by batch and one by one
//	go run ./bench parts                                        one import in two parts at once, beside one in one
//	go run ./bench fleet                                        the tables of docs/fleets.md: push and pull, parts, signing
//	go run ./bench recipes [-write]                             what the shipped recipes say of themselves
//	go run ./bench synth [-layers N] [-nvfp4] SHAPE DIR         write a checkpoint
//	go run ./bench limit STORE DIR                              hash and write a store's blobs, as a process of its own
//	go run ./bench bandwidth                                    bytes a second that memory gives, likewise
//
// Peers are run where they are: mlx-lm in the path, the ollama that BENCH_OLLAMA names, oras, which is built
// where there is none, and llama.cpp, which llama.sh brings. It must not be imported, and measures the built binary only,
// never its packages.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "synth":
			return synthCommand(args[1:])
		case "limit":
			return limitCommand(args[1:])
		case "bandwidth":
			fmt.Println(bandwidth())
			return nil
		case "recipes":
			return recipesCommand(args[1:])
		}
	}
	return tablesCommand(args)
}

// bench is what the tables share.
type bench struct {
	qimport, dir, only string
	n                  int    // runs of each
	full               bool   // the large models too
	within             string // memory for the largest, as within.sh takes it
	noLlama            bool
	mlxLMs             string // commands of mlx-lm that make mixtures, with commas between them
	peerLimit          time.Duration
}

// leaves says whether -only leaves a shape out.
func (b bench) leaves(shape string) bool { return b.only != "" && b.only != shape }

// tables in their order in the document.
var tables = []struct {
	name  string
	make  func(bench) (string, error)
	alone bool // made only where it is asked for by name
}{
	{name: "import", make: bench.imports},
	{name: "verify", make: bench.verifications},
	{name: "run", make: bench.runs},
	{name: "quality", make: bench.qualities, alone: true},
	{name: "tuned", make: bench.tuned, alone: true},
	{name: "calibrate", make: bench.calibrations, alone: true},
	{name: "variants", make: bench.variants, alone: true},
	{name: "parts", make: bench.parts, alone: true},
	{name: "fleet", make: bench.fleet, alone: true},
}

func tablesCommand(args []string) error {
	one := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		one, args = args[0], args[1:]
	}
	var b bench
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&b.n, "n", 3, "runs of each")
	flags.StringVar(&b.dir, "dir", filepath.Join(os.TempDir(), "qimport-bench"), "a `folder` for checkpoints, stores and llama.cpp")
	flags.StringVar(&b.qimport, "qimport", "", "a built `binary`; none: bin/qimport, built from what lies here")
	flags.StringVar(&b.only, "only", "", "one shape: "+shapeNames())
	flags.BoolVar(&b.full, "full", false, "the 4B shape too, and the 35B-A3B shape of full depth: 20 GB")
	flags.StringVar(&b.within, "within", "", "verify that one in so much `memory` as well, or make variants in it, as 8G: needs root")
	flags.BoolVar(&b.noLlama, "no-llama", false, "without llama.cpp")
	flags.StringVar(&b.mlxLMs, "peers", "dynamic_quant,gptq,awq,dwq", "commands of mlx-lm that tuned has beside it, of the Python that BENCH_PYTHON names; '' is none")
	flags.DurationVar(&b.peerLimit, "peer-limit", 10*time.Minute, "the `TIME` after which one of them is ended")
	write := flags.String("write", "", "a Markdown `FILE` whose parts <!-- speeds: TABLE --> become the tables")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q: flags come after the table's name, and nothing after them", flags.Arg(0))
	}
	var err error
	if b.dir, err = filepath.Abs(b.dir); err != nil { // peers are run in another folder
		return err
	}
	if b.qimport == "" {
		if b.qimport, err = builtHere(); err != nil {
			return err
		}
	}
	return b.print(one, *write)
}

// builtHere builds the program, so that no table is of an older one.
func builtHere() (string, error) {
	out, err := exec.Command("make", "-s", "build").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("make build: %w: %s", err, out)
	}
	return "bin/qimport", nil
}

// print makes the tables, or one, and writes them into a document where one is named.
func (b bench) print(one, document string) error {
	scratch := filepath.Join(b.dir, outputs)
	if err := os.RemoveAll(scratch); err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	made := false
	for _, t := range tables {
		if one != "" && one != t.name || one == "" && t.alone {
			continue
		}
		text, err := t.make(b)
		if err != nil {
			return err
		}
		made = true
		text = machine() + "\n\n" + text
		fmt.Println(text)
		if document != "" {
			if err := replacePart(document, "speeds: "+t.name, text); err != nil {
				return err
			}
		}
	}
	if !made {
		return fmt.Errorf("no table %q: there are import, verify, run, quality, tuned, calibrate, variants, parts and fleet", one)
	}
	return nil
}

// replacePart writes text between a document's marker and its end.
func replacePart(document, marker, text string) error {
	b, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	begin := "<!-- " + marker + " -->\n"
	before, rest, ok := strings.Cut(string(b), begin)
	_, after, closed := strings.Cut(rest, "<!-- end -->")
	if !ok || !closed {
		return errors.New(document + " has no part " + marker)
	}
	return os.WriteFile(document, []byte(before+begin+"\n"+text+"\n<!-- end -->"+after), 0o644)
}
