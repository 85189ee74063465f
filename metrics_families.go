package qimport

import (
	"math"
	"strings"
	"time"

	"qimport/internal/openmetrics"
	"qimport/internal/untrusted"
	"qimport/verify/report"
)

// families are a run in numbers, in the order in which they are written. Which of them there are depends on
// what was run; each has the command and the model, or the batch, among its labels, so that many files can be read as one.
func (m *Meter) families(status int, now time.Time) []openmetrics.Gauge {
	g := gauges{at: map[string]int{}, labels: m.labels()}
	g.add("qimport_run_info", "", "1, with the version of the program.", 1, "version", m.version)
	g.add("qimport_run_success", "", "Whether the run did what it was to do: 1 for exit status 0, else 0.", truth(status == 0))
	g.add("qimport_run_exit_status", "", "Exit status: 1 failed, 2 wrong usage, 3 the verification said no, 130 interrupted.", float64(status))
	g.add("qimport_run_end_timestamp_seconds", "seconds", "When the run ended, since 1970.", float64(now.UnixMilli())/1000)
	g.add("qimport_run_seconds", "seconds", "How long the run took.", now.Sub(m.start).Seconds())
	for _, s := range m.stages {
		g.add("qimport_stage_seconds", "seconds", "How long each stage of the run took.", s.seconds, "stage", s.work)
	}
	if peak := peakMemory(); peak > 0 {
		g.add("qimport_peak_memory_bytes", "bytes", "The most memory that the process had resident, mapped weights included.", float64(peak))
	}
	if m.imported != nil {
		g.imported(*m.imported)
	}
	if m.verdict != nil {
		g.verdict(m.verdict)
	}
	if m.batch != nil {
		g.batch(m.batch.summary)
	}
	return g.all
}

// labels are those of the run.
func (m *Meter) labels() []openmetrics.Label {
	labels := []openmetrics.Label{{Name: "command", Value: m.command}}
	if m.batch == nil {
		return append(labels, openmetrics.Label{Name: "model", Value: untrusted.Text(m.model)})
	}
	labels = append(labels, openmetrics.Label{Name: "batch", Value: untrusted.Text(m.batch.file)})
	if m.batch.part != "" {
		labels = append(labels, openmetrics.Label{Name: "part", Value: m.batch.part})
	}
	return labels
}

// gauges are families under way.
type gauges struct {
	labels []openmetrics.Label // of every sample
	all    []openmetrics.Gauge
	at     map[string]int // in all, by name
}

// add adds a sample, with labels of its own as names and values, to its family.
func (g *gauges) add(name, unit, help string, v float64, labels ...string) {
	at, ok := g.at[name]
	if !ok {
		at = len(g.all)
		g.at[name] = at
		g.all = append(g.all, openmetrics.Gauge{Name: name, Unit: unit, Help: help})
	}
	s := openmetrics.Sample{Labels: g.labels[:len(g.labels):len(g.labels)], Value: v}
	for i := 0; i+1 < len(labels); i += 2 {
		s.Labels = append(s.Labels, openmetrics.Label{Name: labels[i], Value: untrusted.Text(labels[i+1])})
	}
	family := &g.all[at]
	family.Samples = append(family.Samples, s)
}

// batch is how many imports ended how, and then each of them, with its model among the labels.
func (g *gauges) batch(s BatchSummary) {
	const counts = "qimport_batch_imports"
	g.add(counts, "", "Imports of the batch by how they ended; left_out are those that it did not come to.", float64(s.Done), "outcome", string(Done))
	g.add(counts, "", "", float64(s.Unchanged), "outcome", string(Unchanged))
	g.add(counts, "", "", float64(s.Refused), "outcome", string(Refused))
	g.add(counts, "", "", float64(s.Failed), "outcome", string(Failed))
	g.add(counts, "", "", float64(s.Left), "outcome", "left_out")
	run := g.labels
	for _, l := range s.Imports {
		g.labels = append(run[:len(run):len(run)], openmetrics.Label{Name: "model", Value: untrusted.Text(l.Name.String())})
		g.add("qimport_import_success", "", "Whether an import is done, or was already.", truth(l.Error == ""), "outcome", string(l.Status))
		g.add("qimport_import_seconds", "seconds", "How long an import took, with its share of a pass over the source.", l.Seconds)
		if l.Push != nil {
			g.add("qimport_push_sent_bytes", "bytes", "Bytes of blobs that were sent to a registry.", float64(l.Push.Sent))
		}
		if !l.Manifest.IsZero() { // it came to writing
			g.imported(l.ImportResult)
		}
		if l.Verification != nil {
			g.verdict(l.Verification)
		}
	}
	g.labels = run
}

// imported is what an import moved.
func (g *gauges) imported(r ImportResult) {
	g.add("qimport_import_published", "", "Whether the name was moved.", truth(r.Published))
	g.add("qimport_import_tensors", "", "Tensors of the model.", float64(r.Tensors))
	g.add("qimport_import_read_bytes", "bytes", "Bytes of the source's tensors that were read.", float64(r.BytesRead))
	g.add("qimport_import_written_bytes", "bytes", "Bytes of blobs that were written.", float64(r.BytesWritten))
	g.add("qimport_import_reused_bytes", "bytes", "Bytes of blobs that were there already.", float64(r.BytesReused))
	g.add("qimport_import_blobs", "", "Blobs of the model, by whether they were written or there already.", float64(r.BlobsWritten), "how", "written")
	g.add("qimport_import_blobs", "", "", float64(r.BlobsReused), "how", "reused")
}

// verdict is a verdict, check by check.
func (g *gauges) verdict(r *report.Report) {
	g.add("qimport_verify_passed", "", "Whether every check was run and passed.", truth(r.Passed), "level", string(r.Level))
	warned := 0
	for _, c := range r.Checks {
		if c.Passed == report.Passed && c.Warning != "" {
			warned++
		}
	}
	const counts = "qimport_verify_checks"
	g.add(counts, "", "Checks by outcome; those that warned have passed.", float64(r.Count(report.Passed)-warned), "outcome", "passed")
	g.add(counts, "", "", float64(warned), "outcome", "warned")
	g.add(counts, "", "", float64(r.Count(report.Failed)), "outcome", "failed")
	g.add(counts, "", "", float64(r.Count(report.NotRun)), "outcome", "not_run")
	for _, c := range r.Checks {
		g.add("qimport_check_passed", "", "Whether a check passed; one that was not run has not.", truth(c.Passed == report.Passed), "check", c.Name)
	}
	for _, c := range r.Checks {
		g.add("qimport_check_seconds", "seconds", "How long a check took.", c.Seconds, "check", c.Name)
	}
	g.bounds(r)
	g.spoken(r)
}

// bounds are what was measured, beside what it is held to.
func (g *gauges) bounds(r *report.Report) {
	for _, c := range r.Checks {
		if c.Value != nil {
			g.add("qimport_check_value", "", "What a check measured, in the unit that the report names.", *c.Value, "check", c.Name)
		}
	}
	for _, c := range r.Checks {
		if c.Limit != nil {
			g.add("qimport_check_limit", "", "The bound that a check holds its value to.", *c.Limit, "check", c.Name)
		}
	}
}

// spoken is how fast the questions were answered.
func (g *gauges) spoken(r *report.Report) {
	tokens, seconds := 0, 0.0
	for _, a := range r.Answers {
		tokens += a.Tokens
	}
	for _, c := range r.Checks {
		if strings.HasPrefix(c.Name, "smoke.answer.") {
			seconds += c.Seconds
		}
	}
	if tokens == 0 {
		return
	}
	g.add("qimport_answer_tokens", "", "Tokens of all answers.", float64(tokens))
	if rate := float64(tokens) / seconds; !math.IsInf(rate, 0) {
		g.add("qimport_answer_tokens_per_second", "", "These over the seconds of their checks, in which the questions are read as well; they are answered side by side.", rate)
	}
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
