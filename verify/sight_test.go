package verify

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qimport/verify/report"
)

// TestTowers: models with a tower are asked what they see, unless their chat templates show no pictures.
func TestTowers(t *testing.T) {
	folder := fixtures(t)
	needMLX(t)
	for _, tt := range []struct {
		model string
		asked []string
	}{
		{seeing, []string{"smoke.tower", "smoke.tower.prefill", "smoke.tower.change"}},
		{seeingMixture, []string{"smoke.tower", "smoke.tower.prefill", "smoke.tower.change"}},
		{"tiny-qwen3.5-vlm-4bit", []string{"smoke.tower"}},
		{"tiny-qwen3.5-bf16", nil},
	} {
		t.Run(tt.model, func(t *testing.T) {
			r := judge(t, Directory(tt.model, filepath.Join(folder, tt.model)), Options{Level: report.Smoke, Lengths: []int{1}})
			var asked []string
			for _, c := range r.Checks {
				if strings.HasPrefix(c.Name, "smoke.tower") {
					asked = append(asked, c.Name)
					if c.Passed != report.Passed || c.Value == nil || (c.Warning == "") == (len(tt.asked) == 1) {
						t.Errorf("%s: %s, %v, warning %q", c.Name, c.Passed, c.Value, c.Warning)
					}
				}
			}
			if !slices.Equal(asked, tt.asked) {
				t.Errorf("asked %v, want %v", asked, tt.asked)
			}
			want := len(DefaultCases())
			if len(tt.asked) > 1 {
				want += len(seeingCases())
			}
			if len(r.Answers) != want {
				t.Errorf("%d questions, want %d", len(r.Answers), want)
			}
			for _, a := range r.Answers[len(DefaultCases()):] {
				if len(a.Pictures) == 0 || len(a.Pictures[0].Data) == 0 {
					t.Errorf("%q has no pictures in the report", a.Prompt)
				}
			}
		})
	}
}

func TestEdges(t *testing.T) {
	const pad = 9
	ids := slices.Concat(make([]int, 3), slices.Repeat([]int{pad}, 20), make([]int, 30), slices.Repeat([]int{pad}, 2), make([]int, 10))
	want := []segment{{3, 8}, {19, 8}, {51, 10}, {64, 1}}
	if got := edges(ids, pad); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := edges([]int{pad}, pad); !slices.Equal(got, []segment{{0, 1}}) {
		t.Errorf("of a picture alone: %v", got)
	}
}

func TestRelativeError(t *testing.T) {
	for _, tt := range []struct {
		got, want []float32
		is        float64
	}{{[]float32{3, 4}, []float32{3, 4}, 0}, {[]float32{0, 4}, []float32{3, 4}, 0.6}} {
		near(t, "error", relativeError(tt.got, tt.want), tt.is, 1e-12)
	}
	for _, want := range [][]float32{{0, 0}, {1}, {1, float32(math.NaN())}} {
		if e := relativeError([]float32{1, 1}, want); !math.IsNaN(e) {
			t.Errorf("against %v it is %v", want, e)
		}
	}
}
