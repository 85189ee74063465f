package attest

import (
	"encoding/json"
	"fmt"
	"slices"

	"qimport/verify/report"
)

// The results of a test-result statement.
const (
	ResultPassed = "PASSED"
	ResultWarned = "WARNED"
	ResultFailed = "FAILED"
)

// TestResult is what a test-result statement says.
type TestResult struct {
	Result        string   `json:"result"`
	PassedTests   []string `json:"passedTests"`
	WarnedTests   []string `json:"warnedTests"`
	FailedTests   []string `json:"failedTests"`
	Configuration []struct {
		MediaType string `json:"mediaType"`
		Digest    struct {
			SHA256 string `json:"sha256"`
		} `json:"digest"`
		Annotations struct {
			Level    report.Level       `json:"level"`
			Verifier int                `json:"verifier"`
			Values   map[string]float64 `json:"values"`
		} `json:"annotations"`
	} `json:"configuration"`
}

// TestResult reads the predicate of a test-result statement. The error is ErrStatement.
func (s Statement) TestResult() (t TestResult, err error) {
	if s.PredicateType != PredicateTestResult {
		return t, fmt.Errorf("%w: it is of %.80q, not %s", ErrStatement, s.PredicateType, PredicateTestResult)
	}
	if err := json.Unmarshal(s.Predicate, &t); err != nil {
		return t, fmt.Errorf("%w: its test result: %w", ErrStatement, err)
	}
	if !slices.Contains([]string{ResultPassed, ResultWarned, ResultFailed}, t.Result) {
		return t, fmt.Errorf("%w: its result is %.80q", ErrStatement, t.Result)
	}
	return t, nil
}

// Level is how far the verification went; none where the statement does not say.
func (t TestResult) Level() report.Level {
	if len(t.Configuration) == 0 || t.Configuration[0].Annotations.Level == "" {
		return report.None
	}
	return t.Configuration[0].Annotations.Level
}

// Report is the SHA-256 of the report, in hex; empty where the statement does not say.
func (t TestResult) Report() string {
	if len(t.Configuration) == 0 {
		return ""
	}
	return t.Configuration[0].Digest.SHA256
}

// value is what a check measured.
func (t TestResult) value(check string) (float64, bool) {
	if len(t.Configuration) == 0 {
		return 0, false
	}
	v, ok := t.Configuration[0].Annotations.Values[check]
	return v, ok
}

// Origin is what a provenance statement says of where a model, or what was built, comes from.
type Origin struct {
	Source   string `json:"source"`
	Revision string `json:"revision"`
}

// Origin reads the predicate of a model's provenance statement. The error is ErrStatement.
func (s Statement) Origin() (Origin, error) { return s.origin(BuildType) }

// FilesOrigin reads the predicate of a provenance statement on plain files. The error is ErrStatement.
func (s Statement) FilesOrigin() (Origin, error) { return s.origin(FilesBuildType) }

func (s Statement) origin(buildType string) (Origin, error) {
	var p struct {
		BuildDefinition struct {
			BuildType          string `json:"buildType"`
			ExternalParameters Origin `json:"externalParameters"`
		} `json:"buildDefinition"`
	}
	if s.PredicateType != PredicateProvenance {
		return Origin{}, fmt.Errorf("%w: it is of %.80q, not %s", ErrStatement, s.PredicateType, PredicateProvenance)
	}
	if err := json.Unmarshal(s.Predicate, &p); err != nil {
		return Origin{}, fmt.Errorf("%w: its provenance: %w", ErrStatement, err)
	}
	if p.BuildDefinition.BuildType != buildType {
		return Origin{}, fmt.Errorf("%w: it was built by %.80q, not %s", ErrStatement, p.BuildDefinition.BuildType, buildType)
	}
	return p.BuildDefinition.ExternalParameters, nil
}
