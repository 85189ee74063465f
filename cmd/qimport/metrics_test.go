package main

import (
	"strconv"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/rogpeppe/go-internal/testscript"
)

// readMetrics reads a file of metrics as node_exporter does, and demands samples. A value of + is any above 0.
func readMetrics(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if !strings.HasSuffix(text, "\n# EOF\n") {
		ts.Fatalf("%s does not end with # EOF", args[0])
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	ts.Check(err)
	read := map[string]float64{} // by name, and by name and each label
	for name, family := range families {
		for _, m := range family.GetMetric() {
			read[name] = m.GetGauge().GetValue()
			for _, l := range m.GetLabel() {
				read[name+"{"+l.GetName()+"="+l.GetValue()+"}"] = m.GetGauge().GetValue()
			}
		}
	}
	for _, want := range args[1:] {
		at := strings.LastIndexByte(want, '=')
		got, ok := read[want[:at]]
		if value := want[at+1:]; !ok || value == "+" && got <= 0 || value != "+" && value != strconv.FormatFloat(got, 'g', -1, 64) {
			ts.Fatalf("%s: not %s in\n%s", args[0], want, text)
		}
	}
}
