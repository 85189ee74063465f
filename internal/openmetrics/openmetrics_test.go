package openmetrics

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// families are one of each kind, with a text that would end its value.
func families() []Gauge {
	return []Gauge{
		{Name: "a_seconds", Unit: "seconds", Help: `Seconds of "a" \ b.`, Samples: []Sample{
			{Labels: []Label{{"model", "x\"\\\n}\xff"}, {"stage", "ü"}}, Value: 0.25},
			{Labels: []Label{{"model", ""}, {"stage", "b"}}, Value: math.Inf(1)},
		}},
		{Name: "empty", Help: "No samples."},
		{Name: "b", Help: "Whole.", Samples: []Sample{{Value: 1 << 53}, {Labels: []Label{{"n", "1"}}, Value: math.NaN()}}},
	}
}

func TestWrite(t *testing.T) {
	var b strings.Builder
	if err := Write(&b, families()); err != nil {
		t.Fatal(err)
	}
	want := `# HELP a_seconds Seconds of \"a\" \\ b.
# TYPE a_seconds gauge
# UNIT a_seconds seconds
a_seconds{model="x\"\\\n}�",stage="ü"} 0.25
a_seconds{model="",stage="b"} +Inf
# HELP b Whole.
# TYPE b gauge
b 9.007199254740992e+15
b{n="1"} NaN
# EOF
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

// TestReader: the parser that node_exporter runs reads back what was written.
func TestReader(t *testing.T) {
	var b strings.Builder
	if err := Write(&b, families()); err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	read, err := parser.TextToMetricFamilies(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if len(read) != 2 {
		t.Fatalf("%d families, want 2", len(read))
	}
	a := read["a_seconds"].GetMetric()
	if len(a) != 2 || a[0].GetGauge().GetValue() != 0.25 || a[0].GetLabel()[0].GetValue() != "x\"\\\n}\uFFFD" {
		t.Errorf("a_seconds was read as %v", a)
	}
	if m := read["b"].GetMetric(); len(m) != 2 || m[0].GetGauge().GetValue() != 1<<53 {
		t.Errorf("b was read as %v", m)
	}
}
