package attest

import (
	"errors"
	"strings"
	"testing"
)

// result is a verdict of quality, warned once.
func result(t testing.TB) TestResult {
	t.Helper()
	payloads, err := Statements(judged(1))
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseStatement(payloads[1])
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.TestResult()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPolicy(t *testing.T) {
	r, origin := result(t), &Origin{Source: "org/name", Revision: "abc"}
	failed := r
	failed.Result, failed.FailedTests = ResultFailed, []string{"a", "b", "c", "d"}
	silent := r
	silent.Configuration = nil
	for _, c := range []struct {
		policy string
		of     TestResult
		from   *Origin
		refuse string // names of what says no
	}{
		{"", r, nil, ""}, {"level=quality, max-kl=0.02", r, nil, ""}, {"level=smoke", r, nil, ""},
		{"max-kl=0.0199", r, nil, "max-kl"}, {"min-top1=0.5", r, nil, "min-top1"}, {"max-kl=0.1", silent, nil, "max-kl"},
		{"level=blobs", silent, nil, "level"}, {"", failed, nil, "result"}, {"check=blobs.digests,check=smoke.answer.1", r, nil, ""},
		{"check=quality.mtp", r, nil, "check quality.mtp"}, {"check=a", failed, nil, "result check a"}, {"warnings=no", r, nil, "warnings"},
		{"source=org/name,revision=abc", r, origin, ""}, {"source=org/name,revision=abd", r, origin, "revision"},
		{"source=org/name", r, nil, "source"}, {"revision=abc", r, &Origin{Source: "org/name"}, "revision"},
	} {
		p, err := ParsePolicy(c.policy)
		if err != nil {
			t.Fatal(err)
		}
		var no []string
		for _, d := range append(p.Result(c.of), p.Origin(c.from)...) {
			if !d.Passed {
				no = append(no, d.Name)
			}
		}
		if got := strings.Join(no, " "); got != c.refuse {
			t.Errorf("%q: %q says no, want %q", c.policy, got, c.refuse)
		}
	}
}

func TestPoliciesRefused(t *testing.T) {
	for _, text := range []string{
		"level", "level=", "level=best", "max-kl=x", "max-kl=NaN", "max-kl=Inf", "kl=0.1", ",", "level=quality,", "warnings=yes", "=x", strings.Repeat("check=a,", 1000),
	} {
		if _, err := ParsePolicy(text); !errors.Is(err, ErrPolicy) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}
