package report

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
)

// variants are three runs: of two formats, and one that was not compared with its source.
func variants() []LabeledReport {
	near, far, bare := sample(), sample(), sample()
	near.Weights, far.Weights = &Weights{1000, 1000}, &Weights{1000, 531}
	d := *near.Divergence
	d.MeanKL *= 7
	far.Divergence, far.Passed = &d, false
	far.Answers = append([]Answer{}, far.Answers...)
	far.Answers[0].Text = "something else"
	bare.Divergence, bare.Tensors, bare.Checks = nil, nil, bare.Checks[:1]
	return []LabeledReport{{"mxfp8", near}, {"nvfp4", far}, {"bare", bare}}
}

func TestCompare(t *testing.T) {
	c := Compare(variants())
	if len(c.Runs) != 3 || c.Runs[0].Bits != 8 || *c.Runs[1].MeanKL <= *c.Runs[0].MeanKL || c.Runs[2].MeanKL != nil {
		t.Errorf("runs: %+v", c.Runs)
	}
	if len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "bare was not compared") {
		t.Errorf("notes: %q", c.Notes)
	}
	if len(c.Checks) == 0 || c.Checks[0].Runs[2] == nil || c.Checks[1].Runs[2] != nil || c.Checks[1].Runs[0] == nil {
		t.Errorf("checks: %+v", c.Checks)
	}
	if c.Answers[0].Same || *c.Answers[0].Runs[1] != "something else" {
		t.Errorf("answers: %+v", c.Answers)
	}
	for i := 1; i < len(c.Tensors); i++ {
		if c.Tensors[i-1].Runs[0].Error < c.Tensors[i].Runs[0].Error {
			t.Errorf("tensors are not the worst first: %+v", c.Tensors)
		}
	}
}

// TestCompareHostile: reports of anything make a page of bounded size in which nothing is markup, and no number
// upsets the plot.
func TestCompareHostile(t *testing.T) {
	const script = `"><script>alert(1)</script>`
	evil := Report{Schema: 1, Name: script, Manifest: script, Level: script, Weights: &Weights{1, math.MaxInt64}, Divergence: &Divergence{MeanKL: math.MaxFloat64, Reference: script}}
	for i := range 10_000 {
		name := fmt.Sprint(script, i)
		evil.Checks = append(evil.Checks, Check{Name: name, Detail: strings.Repeat("x", 5000)})
		evil.Answers = append(evil.Answers, Answer{Prompt: name, Text: strings.Repeat("y", 5000)})
		evil.Tensors = append(evil.Tensors, Tensor{Name: name, Error: -1, Format: script})
	}
	small := Report{Schema: 1, Weights: &Weights{-1, -1}, Divergence: &Divergence{MeanKL: 5e-324}}
	odd := Report{Schema: 1, Weights: &Weights{8, 4}, Divergence: &Divergence{MeanKL: 1e308}}
	c := Compare([]LabeledReport{{script, evil}, {"small", small}, {"odd", odd}, {"", Report{}}})
	var page bytes.Buffer
	if err := c.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(page.String(), "<script") || page.Len() > 4<<20 || strings.Contains(page.String(), "NaN") || !strings.Contains(page.String(), "more rows are in the JSON") {
		t.Errorf("%d bytes: %.300s", page.Len(), page.String())
	}
	if got := strings.Count(page.String(), "<circle"); got != 1 {
		t.Errorf("%d dots are drawn; one of the runs has a size and a divergence that can be drawn", got)
	}
}
