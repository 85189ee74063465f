package verify

import (
	"math"
	"testing"

	"qimport/verify/report"
)

// A number that JSON has not must not cost the report.
func TestNonFiniteValues(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1)} {
		c := atMost(v, 1, "x")
		if c.Passed != report.Failed || c.Value != nil {
			t.Errorf("%v: %s, value %v", v, c.Passed, c.Value)
		}
	}
	if c := atLeast(math.NaN(), 1, "x"); c.Passed != report.Failed {
		t.Errorf("NaN is at least 1")
	}
}
