package verify

import (
	"fmt"
	"math"

	"qimport/verify/report"
)

// number is a Value or Limit: nil where JSON has no such number.
func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// atMost judges a measured value against an upper limit; NaN fails.
func atMost(value, limit float64, detail string) report.Check {
	return report.Check{Passed: report.OutcomeOf(value <= limit), Detail: detail, Value: number(value), Limit: number(limit)}
}

// atLeast judges a measured value against a lower limit; NaN fails.
func atLeast(value, limit float64, detail string) report.Check {
	return report.Check{Passed: report.OutcomeOf(value >= limit), Detail: detail, Value: number(value), Limit: number(limit)}
}

func pass(format string, args ...any) report.Check {
	return report.Check{Passed: report.Passed, Detail: fmt.Sprintf(format, args...)}
}

func fail(format string, args ...any) report.Check {
	return report.Check{Passed: report.Failed, Detail: fmt.Sprintf(format, args...)}
}

// notRun is the outcome of a check that something before it made impossible.
func notRun(format string, args ...any) report.Check {
	return report.Check{Passed: report.NotRun, Detail: fmt.Sprintf(format, args...)}
}
