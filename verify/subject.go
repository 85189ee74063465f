package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	goruntime "runtime"

	"qimport/convert/source"
	"qimport/runtime"
	"qimport/runtime/mlx"
	"qimport/verify/language"
	"qimport/verify/report"
	"qimport/verify/score"
)

// subject is what the checks have opened of the model so far. Each field is nil until a check has
// set it; the checks after it say what they lack.
type subject struct {
	language language.Language
	source   *source.Source
	model    *runtime.Model
	stepped  *stepped
	tower    bool // whether it has one
	shows    bool // whether its chat template has places for pictures

	turnEnd string // what the template writes after an answer
	talked  []talk // the cases, in order

	spoken   []spoken
	seen     precisions
	rows     int // of logits that were read
	broken   int // of those, not finite
	texts    score.Texts
	own      *score.File // the model's own scores over the texts
	pictured int         // bytes of pictures that the report holds
	heads    heads
	sight    *sight // what it says of pictures, to be compared with the reference
	scratch  string // folder of files that end with the run
}

func (r *run) close() {
	if r.own != nil {
		_ = r.own.Close()
	}
	r.heads.close()
	r.sight.close()
	r.unload()
	if r.source != nil {
		_ = r.source.Close()
	}
	if r.scratch != "" {
		_ = os.RemoveAll(r.scratch)
	}
}

// unload frees the model's memory, which may not hold the reference besides; the checks that run the
// model come before.
func (r *run) unload() {
	if r.model != nil {
		r.model.Close()
		r.model = nil
	}
}

// checkLoad loads the model through MLX. A machine without MLX, or too small for the model, says nothing
// about it: then the check is not run, where anything else is the model's fault.
func (r *run) checkLoad(ctx context.Context) report.Check {
	if r.source == nil {
		return notRun("the model did not open")
	}
	m, err := runtime.Load(ctx, r.source, r.Runtime)
	if errors.Is(err, mlx.ErrNoMLX) || errors.Is(err, runtime.ErrTooLarge) {
		return notRun("%s", sentences(err))
	}
	if err != nil {
		return fail("%s", sentences(err))
	}
	r.model = m
	info := m.Info()
	r.report.Effort = r.effort().report(info, goruntime.GOMAXPROCS(0))
	if said := announcement(r.report.Effort); said != "" && r.Announce != nil {
		r.Announce(said)
	}
	r.announceQuality()
	r.announceNeedle()
	r.report.Environment.Backend = info.Backend
	r.report.Environment.Versions["mlx"] = info.Version
	if info.BLAS != "" {
		r.report.Environment.Versions["blas"] = info.BLAS
	}
	r.report.Environment.Dtypes["weights"] = m.Placement.Mode.String()
	return pass("%s on %s %s", m.Placement, info.Backend, info.Name)
}

// session runs f with a new session of the model, and notes what precision it ran in.
func (r *run) session(f func(*runtime.Session) error) error {
	x := r.model.NewSession()
	defer x.Close()
	err := f(x)
	r.seen = r.seen.with(x.Precision())
	return err
}

// look counts a row of logits, and whether it is finite.
func (r *run) look(logits []float32) {
	r.rows++
	for _, v := range logits {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			r.broken++
			return
		}
	}
}

// context is how many positions the model was made for.
func (r *run) context() int {
	if r.model != nil {
		return r.model.Config.MaxPositions
	}
	return math.MaxInt
}

// ownScores are the model's log-probabilities over the texts, run once and kept in a file: the
// float32 run that everything is compared with.
func (r *run) ownScores(ctx context.Context) (*score.File, error) {
	if r.own != nil {
		return r.own, nil
	}
	if r.model == nil {
		return nil, errors.New("the model did not load")
	}
	read, err := r.readTexts(ctx)
	if err != nil {
		return nil, err
	}
	path := r.SaveScores
	if path == "" {
		if path, err = r.scratchFile("scores.safetensors"); err != nil {
			return nil, err
		}
	}
	w, err := score.Create(path, read, map[string]string{
		"model": r.Name, "manifest": r.Manifest.String(), "computed": r.model.Placement.Mode.String(),
		"text": read.Digest(),
	})
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	precision, err := r.model.ScoreBatch(ctx, read.Contexts(), func(text, _ int, logits []float32) error {
		r.look(logits)
		return w.Row(text, logits)
	})
	r.seen = r.seen.with(precision)
	if err = errors.Join(err, ctx.Err()); err != nil {
		return nil, err
	}
	if err := w.Finish(); err != nil {
		return nil, err
	}
	r.own, err = score.Open(path)
	return r.own, err
}

// scratchFile is a path in a folder that ends with the run.
func (r *run) scratchFile(name string) (string, error) {
	if r.scratch == "" {
		dir, err := os.MkdirTemp("", "qimport-verify-")
		if err != nil {
			return "", fmt.Errorf("a folder for the scores: %w", err)
		}
		r.scratch = dir
	}
	return filepath.Join(r.scratch, name), nil
}
