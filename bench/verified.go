package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// verifiedCase is one row of the table of verifications: a model of the smoke level.
type verifiedCase struct {
	model
	as      string // imported from the release in this format; none: the checkpoint is verified as it is
	full    bool   // only where -full asks for it
	limited bool   // within the memory of -within, and only where that is given
}

var verifiedCases = []verifiedCase{
	{model: model{shape: "0.8b"}, as: "nvfp4"},
	{model: model{shape: "35b-a3b", layers: 8, kind: "nvfp4"}},
	{model: model{shape: "4b", kind: "nvfp4"}, full: true},
	{model: model{shape: "35b-a3b", kind: "nvfp4"}, full: true},
	{model: model{shape: "35b-a3b", kind: "nvfp4"}, limited: true},
}

// exitRefused is qimport's status where a check said no, as it does of random weights' answers.
const exitRefused = 3

// checked is what a report says of one check.
type checked struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// verifications is the table of whole imports and verifications, once each.
func (b bench) verifications() (string, error) {
	t := &table{head: []string{"verified, level smoke", "seconds", "to load", "prompts beside single steps", "answers", "the rest", "memory at most, of it not mapped"}}
	for _, c := range verifiedCases {
		if b.leaves(c.shape) || c.full && !b.full || c.limited && b.within == "" {
			continue
		}
		row, err := b.verification(c)
		if err != nil {
			return "", err
		}
		t.add(row...)
	}
	return t.String(), nil
}

func (b bench) verification(c verifiedCase) ([]string, error) {
	dir, err := b.checkpoint(c.model)
	if err != nil {
		return nil, err
	}
	out := filepath.Join(b.dir, outputs, "verified")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	defer os.RemoveAll(out)
	report := filepath.Join(out, "report.json")
	args, title := []string{"verify", dir}, c.title()
	if c.as != "" {
		args = []string{"import", dir, "--name", "bench", "--store", filepath.Join(out, "store"), "-q", c.as}
		title += ", imported as " + c.as
	}
	args = append([]string{b.qimport}, append(args, "--report", report, "--quiet")...)
	if c.limited {
		args = append([]string{"bench/within.sh", b.within}, args...)
		title += ", within " + b.within + "B of memory"
	}
	u, err := timedTo(exitRefused, nil, args[0], args[1:]...)
	if err != nil {
		return nil, err
	}
	checks, err := readReport(report)
	if err != nil {
		return nil, err
	}
	return append([]string{title, fmt.Sprintf("%.0f", u.seconds)}, append(parts(checks, u.seconds), memory(u))...), nil
}

func readReport(path string) ([]checked, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var report struct {
		Checks []checked `json:"checks"`
	}
	return report.Checks, json.Unmarshal(b, &report)
}

// parts says where the seconds went.
func parts(checks []checked, whole float64) []string {
	var said []string
	for _, prefix := range []string{"smoke.load", "smoke.prefill", "smoke.answer"} {
		part := 0.0
		for _, c := range checks {
			if strings.HasPrefix(c.Name, prefix) {
				part += c.Seconds
			}
		}
		whole -= part
		said = append(said, fmt.Sprintf("%.1f", part))
	}
	return append(said, fmt.Sprintf("%.1f", whole))
}
