package qimport

import (
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"qimport/internal/openmetrics"
	"qimport/verify/report"
)

// Meter is a Watcher that notes what a run did and took, for a file of metrics: a gauge of the last run
// each, however it ended.
type Meter struct {
	Watcher
	file             pendingReports // none where nobody wants one
	command, version string
	model            string
	start            time.Time
	imported         *ImportResult
	verdict          *report.Report
	batch            *batchMeter // nil where the run is of one model

	mu     sync.Mutex // guards what follows
	stages []stageTime
}

// batchMeter is a run of many imports.
type batchMeter struct {
	file, part string
	summary    BatchSummary
}

// stageTime is how long one kind of long work took.
type stageTime struct {
	work    string
	seconds float64
}

// OpenMeter begins a file beside its place, so that a place where nothing can be written is told before
// anything is run; "" is no file. Whoever opens a Meter closes it. Model is what the run was asked to make
// or to judge.
func OpenMeter(file, command, version, model string, w Watcher) (*Meter, error) {
	m := &Meter{Watcher: w, command: command, version: version, model: model, start: time.Now()}
	if file == "" {
		return m, nil
	}
	var err error
	m.file, err = openReports([]string{file})
	return m, err
}

// Begin notes how long work takes, and hands it on.
func (m *Meter) Begin(work string) Progress {
	return &timedProgress{begin(m.Watcher, work), m, work, time.Now()}
}

// timedProgress tells a meter when it ends.
type timedProgress struct {
	Progress
	meter *Meter
	work  string
	start time.Time
}

// End ends it.
func (p *timedProgress) End() {
	p.Progress.End()
	p.meter.took(p.work, time.Since(p.start).Seconds())
}

func (m *Meter) took(work string, seconds float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.stages {
		if m.stages[i].work == work {
			m.stages[i].seconds += seconds
			return
		}
	}
	m.stages = append(m.stages, stageTime{work, seconds})
}

// Imported notes what an import did.
func (m *Meter) Imported(r ImportResult) {
	if r.Name.Model != "" {
		m.model = r.Name.String()
	}
	if r.Schema > 0 { // it came to writing
		m.imported, m.verdict = &r, r.Verification
	}
}

// Batched notes what became of the imports of a batch, or of the part I/N of one; "" is all of it. The name of
// its file stands in the place of a model's.
func (m *Meter) Batched(file, part string, s BatchSummary) {
	m.batch = &batchMeter{filepath.Base(file), part, s}
}

// Verified notes a verdict.
func (m *Meter) Verified(r *report.Report) {
	if r.Schema > 0 { // there is one
		m.model, m.verdict = r.Name, r
	}
}

// Write puts the file in place, as a whole, with the exit status that the run ends with.
func (m *Meter) Write(status int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	families := m.families(status, time.Now())
	err := m.file.writeAs(func(_ string, w io.Writer) error { return openmetrics.Write(w, families) })
	if err != nil {
		return fmt.Errorf("--metrics: %w", err)
	}
	return nil
}

// Close drops a file that was not written.
func (m *Meter) Close() { m.file.close() }
