package ollama

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Model is what of a model decides whether Ollama runs it.
type Model struct {
	Architecture string // architectures[0] of config.json as it is stored; "" if there is none
	Dense        bool   // of the family Qwen3, whose reader of config.json is another than that of the hybrids
	// Formats are the names that the tensors' formats have in a blob's metadata, each with words for the format
	// and the first tensor that has it. What is not quantized has none.
	Formats      map[string]string
	GlobalScale  bool // a tensor has one
	ThetaMissing bool // there is no rope_theta at the top of config.json
	Theta        float64
	YaRN         int     // positions that the model was trained on, where yarn stretches them; else 0
	NormEps      float32 // rms_norm_eps
	HeadDim      int     // 0 where config.json says it
	WidthOverN   int     // hidden_size / num_attention_heads
	Vision, MTP  bool    // whether it has the tower, the head
	Generation   bool    // it has generation_defaults
	Parser       string
	Renderer     string
	Requires     Version // "" for none
}

// Answer is what a version of Ollama makes of a model.
type Answer struct {
	Version Version  `json:"version"`
	Runs    bool     `json:"runs"`
	Because []string `json:"because"`         // why not
	But     []string `json:"but"`             // what it does otherwise than the model's own code
	Since   Version  `json:"since,omitempty"` // the oldest version from which on all run it
}

func (a Answer) String() string {
	newer := ""
	if Newest.Before(a.Version) {
		newer = fmt.Sprintf(" (as %s, the newest that is known)", Newest)
	}
	if !a.Runs {
		return fmt.Sprintf("Ollama %s%s runs this: no, because %s", a.Version, newer, strings.Join(a.Because, "; "))
	}
	text := fmt.Sprintf("Ollama %s%s runs this: yes", a.Version, newer)
	if a.Since != "" {
		text += fmt.Sprintf(", as from %s on", a.Since)
	}
	if len(a.But) > 0 {
		text += "; but " + strings.Join(a.But, "; ")
	}
	return text
}

// Judge says what a version makes of a model.
func Judge(v Version, m Model) Answer {
	a := judge(v, m)
	if !a.Runs {
		return a
	}
	for _, older := range slices.Backward(steps()) {
		if v.Before(older) {
			continue
		}
		if !judge(older, m).Runs {
			break
		}
		a.Since = older
	}
	return a
}

// steps are the versions in which something changed, oldest first, from Least on.
func steps() []Version {
	all := map[Version]bool{Least: true, globalScales: true, mtpHeads: true, visionTower: true}
	for _, column := range []map[string]Version{architectures, formats} {
		for _, v := range column {
			all[v] = true
		}
	}
	for _, column := range []map[string]Part{parsers, renderers} {
		for _, p := range column {
			all[p.Since] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), Version.compare)
}

func judge(v Version, m Model) Answer {
	a := Answer{Version: v, Because: []string{}, But: []string{}}
	a.architecture(v, m)
	a.formats(v, m)
	a.numbers(m)
	a.parts(v, m)
	if m.Vision && v.Before(visionTower) {
		a.but("it reads pictures from %s on only", visionTower)
	}
	if m.MTP && v.Before(mtpHeads) {
		a.but("it uses the multi-token-prediction head from %s on only", mtpHeads)
	}
	if m.Generation {
		a.but("it does not read generation_defaults, and draws answers its own way unless PARAMETER says how")
	}
	a.Runs = len(a.Because) == 0
	return a
}

func (a *Answer) no(format string, args ...any) {
	a.Because = append(a.Because, fmt.Sprintf(format, args...))
}
func (a *Answer) but(format string, args ...any) { a.But = append(a.But, fmt.Sprintf(format, args...)) }

func (a *Answer) architecture(v Version, m Model) {
	since, known := architectures[m.Architecture]
	switch {
	case v.Before(m.Requires):
		a.no("the model says that it requires %s", m.Requires)
	case m.Architecture == "":
		a.no("config.json names no architecture")
	case !known:
		a.no("its MLX runner has no %s", m.Architecture)
	case v.Before(since):
		a.no("its MLX runner has %s from %s on only", m.Architecture, since)
	}
}

func (a *Answer) formats(v Version, m Model) {
	for _, name := range slices.Sorted(maps.Keys(m.Formats)) {
		since, known := formats[name]
		switch {
		case !known:
			a.no("it would read another format than %s", m.Formats[name])
		case v.Before(since):
			a.no("it reads %s from %s on only", name, since)
		}
	}
	if m.GlobalScale && v.Before(globalScales) {
		a.no("it reads the global scale of nvfp4 from %s on only", globalScales)
	}
}

// What the reader of Qwen3's config.json takes where a key is not there, or whatever it says.
const (
	denseTheta   = 1_000_000
	denseNormEps = 1e-6 // of the norms of queries and keys
)

// numbers are those that Ollama's reader of config.json takes otherwise than the model's own code.
func (a *Answer) numbers(m Model) {
	if m.Dense && m.ThetaMissing && m.Theta != denseTheta {
		a.no("it reads rope_theta at the top of config.json only, and takes %d in place of %g", denseTheta, m.Theta)
	}
	if m.HeadDim > 0 && m.HeadDim != m.WidthOverN {
		a.no("config.json has no head_dim, which it takes to be %d, not %d", m.WidthOverN, m.HeadDim)
	}
	if m.Dense && m.NormEps != denseNormEps {
		a.but("its norms of queries and keys take %g for rms_norm_eps %g", denseNormEps, m.NormEps)
	}
	if m.YaRN > 0 {
		a.but("it ignores yarn: frequencies are other than the model's own, and text past %d positions is lost on it", m.YaRN)
	}
}

// parts are parser and renderer.
func (a *Answer) parts(v Version, m Model) {
	if m.Renderer != "" {
		if r, known := Renderer(m.Renderer); known && v.Before(r.Since) {
			a.no("it has the renderer %s from %s on only", m.Renderer, r.Since)
		}
	}
	if m.Parser != "" {
		if p, known := Parser(m.Parser); known && v.Before(p.Since) {
			a.no("it has the parser %s from %s on only", m.Parser, p.Since)
		}
	}
	p, haveParser := Parser(m.Parser)
	r, haveRenderer := Renderer(m.Renderer)
	if haveParser && haveRenderer && p.Tools != r.Tools {
		a.but("tools do not work: the renderer %s and the parser %s have other forms of a call", m.Renderer, m.Parser)
	}
}
