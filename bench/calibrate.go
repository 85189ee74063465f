package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// calibrateCase is one row of the table of what calibrating and tuning take.
type calibrateCase struct {
	model
	full bool // only where -full asks for it
}

// The cases: a dense release, a mixture of experts cut to eight layers and to four, and one of full depth. Two are
// packed, since 70 GB of bf16 are more than such a machine has room for; tune has nothing to choose in them.
var calibrateCases = []calibrateCase{
	{model: model{shape: "0.8b"}},
	{model: model{shape: "35b-a3b", layers: 8, kind: "nvfp4"}},
	{model: model{shape: "35b-a3b", layers: 4}},
	{model: model{shape: "35b-a3b", kind: "nvfp4"}, full: true},
}

// calibrations is the table of what calibrate, calibrate --full and tune take, once each, over the built-in text.
func (b bench) calibrations() (string, error) {
	t := &table{head: []string{"model", "`calibrate`, seconds", "tokens", "memory at most, of it not mapped", "`--full`, seconds", "its file", "memory", "`tune --by kind`, seconds", "changes measured, of 1,024 tokens each", "memory"}}
	for _, c := range calibrateCases {
		if b.leaves(c.shape) || c.full && !b.full {
			continue
		}
		row, err := b.calibration(c)
		if err != nil {
			return "", err
		}
		t.add(row...)
		fmt.Fprintln(os.Stderr, row)
	}
	return t.String(), nil
}

// calibration is the row of one model.
func (b bench) calibration(c calibrateCase) ([]string, error) {
	dir, err := b.checkpoint(c.model)
	if err != nil {
		return nil, err
	}
	out := filepath.Join(b.dir, outputs, "calibrate")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	defer os.RemoveAll(out)
	squares, tokens, err := b.seen("tokens", "calibrate", dir, "--out", filepath.Join(out, "squares"))
	if err != nil {
		return nil, err
	}
	full, _, err := b.seen("tokens", "calibrate", dir, "--full", "--out", filepath.Join(out, "full"))
	if err != nil {
		return nil, err
	}
	file, err := os.Stat(filepath.Join(out, "full"))
	if err != nil {
		return nil, err
	}
	row := []string{c.title(), inSeconds(squares), strconv.Itoa(tokens), memory(squares), inSeconds(full), size(file.Size()), memory(full)}
	if c.kind != "" {
		return append(row, "", "", ""), nil
	}
	tuned, changes, err := b.seen("measured", "tune", dir, "--by", "kind", "--target-bpw", "5", "--out", filepath.Join(out, "recipe.yaml"))
	if err != nil {
		return nil, err
	}
	return append(row, inSeconds(tuned), strconv.Itoa(changes), memory(tuned)), nil
}

// seen runs a command of qimport, and reads one number of what it tells.
func (b bench) seen(key string, args ...string) (usage, int, error) {
	u, err := timed(nil, b.qimport, append(args, "--json", "--quiet")...)
	if err != nil {
		return usage{}, 0, err
	}
	var told map[string]json.RawMessage
	if err := json.Unmarshal(u.out, &told); err != nil {
		return usage{}, 0, err
	}
	n, err := strconv.Atoi(string(told[key]))
	return u, n, err
}

// inSeconds is how long a run took.
func inSeconds(u usage) string { return fmt.Sprintf("%.0f", u.seconds) }
