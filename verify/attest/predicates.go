package attest

import (
	"fmt"
	"maps"

	provenance "github.com/in-toto/attestation/go/predicates/provenance/v1"
	testresult "github.com/in-toto/attestation/go/predicates/test_result/v0"
	statement "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"qimport/manifest"
	"qimport/verify/report"
)

// Names of what only qimport knows; docs/attestation.md says what they mean.
const (
	BuildType = "urn:qimport:import:v1"
	BuilderID = "urn:qimport"
)

// Model is what a statement is about, and what is known of it.
type Model struct {
	Name     string // in the store
	Digest   manifest.Digest
	Manifest manifest.Manifest
	Report   report.Report
	Kept     manifest.Digest // of the report's bytes, as they are kept
}

// Statements are the payloads that are signed of a model: where it comes from, and how it was judged.
func Statements(m Model) ([][]byte, error) {
	from, err := provenanceOf(m)
	if err != nil {
		return nil, err
	}
	judged, err := testResultOf(m)
	if err != nil {
		return nil, err
	}
	first, err := payload(m, PredicateProvenance, from)
	if err != nil {
		return nil, err
	}
	second, err := payload(m, PredicateTestResult, judged)
	if err != nil {
		return nil, err
	}
	return [][]byte{first, second}, nil
}

// provenanceOf is SLSA's form of a report's provenance.
func provenanceOf(m Model) (*provenance.Provenance, error) {
	p, env := m.Report.Provenance, m.Report.Environment
	external, err := structpb.NewStruct(withoutEmpty(map[string]any{
		"source": p.Source, "revision": p.Revision, "rules": list(p.Rules), "adapters": adapters(p.Adapters), "mtp_from": p.MTPFrom,
		"calibration": p.Calibration, "parser": p.Parser, "renderer": p.Renderer, "requires": p.Requires,
	}))
	if err != nil {
		return nil, err
	}
	internal, err := structpb.NewStruct(withoutEmpty(map[string]any{
		"plan": p.Plan, "platform": env.Platform, "backend": env.Backend, "dtypes": texts(env.Dtypes),
	}))
	if err != nil {
		return nil, err
	}
	resolved, err := dependencies(p)
	if err != nil {
		return nil, err
	}
	out := &provenance.Provenance{
		BuildDefinition: &provenance.BuildDefinition{BuildType: BuildType, ExternalParameters: external, InternalParameters: internal, ResolvedDependencies: resolved},
		RunDetails:      &provenance.RunDetails{Builder: &provenance.Builder{Id: BuilderID, Version: env.Versions}},
	}
	if err := out.Validate(); err != nil {
		return nil, fmt.Errorf("the provenance of %s is not known well enough to be signed: %w; import it anew", m.Name, err)
	}
	return out, nil
}

// dependencies are the source at its revision, its files, and what was fused into them. A shard that was
// not hashed whole has no digest, and its header's as an annotation.
func dependencies(p report.Provenance) (all []*statement.ResourceDescriptor, err error) {
	if p.Source != "" && p.Revision != "" {
		of := &statement.ResourceDescriptor{Name: p.Source, Uri: "pkg:huggingface/" + p.Source + "@" + p.Revision}
		if len(p.Revision) == 40 {
			of.Digest = map[string]string{"gitCommit": p.Revision}
		}
		all = append(all, of)
	}
	for _, f := range p.Files {
		r := &statement.ResourceDescriptor{Name: f.Name}
		notes := map[string]any{"bytes": f.Bytes}
		if f.SHA256 != "" {
			r.Digest = map[string]string{"sha256": f.SHA256}
		} else if f.HeaderSHA256 != "" {
			notes["header_sha256"] = f.HeaderSHA256
		}
		if r.Annotations, err = structpb.NewStruct(notes); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	for _, a := range p.Adapters {
		all = append(all, resource("adapter "+a.Name, a.SHA256))
	}
	return all, nil
}

// testResultOf is in-toto's form of a verdict. A check that was asked for and could not run has failed,
// as it makes the verdict a no; one that warns has passed.
func testResultOf(m Model) (*testresult.TestResult, error) {
	r := m.Report
	out := &testresult.TestResult{Result: ResultPassed}
	measured := map[string]any{}
	for _, c := range r.Checks {
		switch {
		case c.Passed != report.Passed:
			out.FailedTests = append(out.FailedTests, c.Name)
		case c.Warning != "":
			out.WarnedTests = append(out.WarnedTests, c.Name)
		default:
			out.PassedTests = append(out.PassedTests, c.Name)
		}
		if c.Value != nil {
			measured[c.Name] = *c.Value
		}
	}
	switch {
	case !r.Passed:
		out.Result = ResultFailed
	case len(out.WarnedTests) > 0:
		out.Result = ResultWarned
	}
	of := resource("verification report", m.Kept.Hex())
	of.MediaType = "application/json"
	var err error
	of.Annotations, err = structpb.NewStruct(map[string]any{"level": string(r.Level), "verifier": r.Provenance.Verifier, "values": measured})
	out.Configuration = []*statement.ResourceDescriptor{of}
	return out, err
}

// withoutEmpty leaves out what is not known.
func withoutEmpty(all map[string]any) map[string]any {
	maps.DeleteFunc(all, func(_ string, v any) bool {
		switch v := v.(type) {
		case string:
			return v == ""
		case []any:
			return len(v) == 0
		case map[string]any:
			return len(v) == 0
		}
		return false
	})
	return all
}

func list(words []string) (out []any) {
	for _, w := range words {
		out = append(out, w)
	}
	return out
}

func texts(m map[string]string) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

func adapters(all []report.Adapter) (out []any) {
	for _, a := range all {
		out = append(out, map[string]any{"name": a.Name, "maker": a.Maker, "scale": a.Scale, "sha256": a.SHA256, "config_sha256": a.Config})
	}
	return out
}
