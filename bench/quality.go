package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// qualityModels are the trained checkpoints of plain floats among the fixtures.
var qualityModels = []string{"tiny-qwen3-hf", "tiny-qwen3.5-hf", "tiny-qwen3.5-moe-hf", "tiny-qwen3-next"}

var qualityFormats = []string{"nvfp4", "mxfp4", "int4"}

// qualities is the table of what choosing scales is worth: mean KL of the same bytes by MLX's plain rule, with
// a search, with a search under a calibration over the built-in text, and with error feedback by its second
// moments; with the embeddings in the format too, and as they are. What it is measured on is the text of a
// verification, which is another one.
func (b bench) qualities() (string, error) {
	fixtures, err := trained("quality")
	if err != nil {
		return "", err
	}
	out := filepath.Join(b.dir, outputs, "quality")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", err
	}
	t := &table{head: []string{"model, all of it in", "plain rule", "`--scale-search`", "of the plain rule's", "calibrated", "of the plain rule's", "`--method gptq`", "of the plain rule's", "calibration, seconds"}}
	for _, m := range qualityModels {
		dir, file := filepath.Join(fixtures, m), filepath.Join(out, m)
		u, err := timed(nil, b.qimport, "calibrate", dir, "--full", "--out", file, "--quiet")
		if err != nil {
			return "", err
		}
		for _, f := range qualityFormats {
			for _, tables := range embeddings {
				var kl [4]float64
				for i, how := range [][]string{nil, {"--scale-search"}, {"--scale-search", "--calibration", file}, {"--method", "gptq", "--calibration", file}} {
					if kl[i], err = b.divergence(dir, f, filepath.Join(out, "store"), append(how, tables.how...)); err != nil {
						return "", err
					}
				}
				t.add(m+" "+f+tables.title, nats(kl[0]), nats(kl[1]), times(kl[1], kl[0]), nats(kl[2]), times(kl[2], kl[0]), nats(kl[3]), times(kl[3], kl[0]), fmt.Sprintf("%.0f", u.seconds))
			}
		}
	}
	return t.String(), nil
}

// embeddings are what becomes of the table of embeddings, which loses more than any other matrix.
var embeddings = []struct {
	title string
	how   []string
}{
	{title: ""},
	{title: ", but the embeddings", how: []string{"--override", "embed_tokens=keep"}},
}

// trained is the folder of the trained models that a table is measured on.
func trained(table string) (string, error) {
	folder := os.Getenv("QIMPORT_FIXTURES")
	if folder == "" {
		return "", errors.New(table + " is measured on trained models: QIMPORT_FIXTURES names no folder of them")
	}
	return folder, nil
}

// nats is a divergence to two digits.
func nats(kl float64) string { return strconv.FormatFloat(kl, 'g', 2, 64) }

// divergence is the mean KL divergence of a checkpoint in a format from itself.
func (b bench) divergence(dir, format, store string, how []string) (float64, error) {
	return b.judged(append([]string{"import", dir, "--name", "bench", "--store", store, "-q", format, "--policy", "uniform", "--verify", "quality"}, how...))
}

// errNothing marks a model that has no divergence, since it answers no numbers.
var errNothing = errors.New("nothing was compared")

// judged is the mean KL divergence that an import or a verification finds over the text of a verification, whatever
// its limits say.
func (b bench) judged(args []string) (float64, error) {
	args = append(args, "--device", "cpu", "--text-tokens", "4096", "--length", "33", "--json", "--quiet")
	u, err := timedTo(exitRefused, nil, b.qimport, args...)
	if err != nil {
		return 0, err
	}
	type judged struct {
		Divergence struct {
			MeanKL    float64 `json:"mean_kl"`
			Positions int     `json:"positions"`
		} `json:"divergence"`
	}
	var result struct {
		judged              // of a verification
		Verification judged `json:"verification"` // of an import
	}
	if err := json.Unmarshal(u.out, &result); err != nil {
		return 0, err
	}
	found := result.Divergence
	if args[0] == "import" {
		found = result.Verification.Divergence
	}
	if found.Positions == 0 {
		return 0, fmt.Errorf("%q: %w: %s", args, errNothing, u.out)
	}
	return found.MeanKL, nil
}
