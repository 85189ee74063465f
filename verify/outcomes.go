package verify

import (
	"fmt"
	"math"
)

// number is a Value or Limit: nil where JSON has no such number.
func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// atMost judges a measured value against an upper limit; NaN fails.
func atMost(value, limit float64, detail string) Check {
	return Check{Passed: outcome(value <= limit), Detail: detail, Value: number(value), Limit: number(limit)}
}

// atLeast judges a measured value against a lower limit; NaN fails.
func atLeast(value, limit float64, detail string) Check {
	return Check{Passed: outcome(value >= limit), Detail: detail, Value: number(value), Limit: number(limit)}
}

func pass(format string, args ...any) Check {
	return Check{Passed: Passed, Detail: fmt.Sprintf(format, args...)}
}

func fail(format string, args ...any) Check {
	return Check{Passed: Failed, Detail: fmt.Sprintf(format, args...)}
}

// notRun is the outcome of a check that something before it made impossible.
func notRun(format string, args ...any) Check {
	return Check{Passed: NotRun, Detail: fmt.Sprintf(format, args...)}
}
