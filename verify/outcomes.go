package verify

import (
	"fmt"
	"math"
	"slices"
	"strings"

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

// sentences puts joined errors on one line, the first of them.
func sentences(err error) string { return first(strings.Split(err.Error(), "\n"), "; ") }

// first joins the first three of a list that may be long, and says how many more there are. A check's
// detail is a line; whoever wants all of it finds it in the report's tables, or runs what the line says.
func first(list []string, between string) string {
	const most = 3
	if more := len(list) - most; more > 0 {
		list = append(slices.Clone(list[:most]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(list, between)
}

// clip keeps a long prompt or answer from filling a line; the report has them whole.
func clip(s string) string {
	const most = 80
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most]) + "…"
}
