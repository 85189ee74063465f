package report

import "fmt"

// Version counts what the checks mean: it goes up when a check becomes stricter, comes or goes,
// so that a verdict of before does not pass for one of today.
const Version = 7

// Provenance is where a model came from and how it was made: what whoever ran the import knows.
// All of it is optional; what is not known is left out.
type Provenance struct {
	Verifier int    `json:"verifier"`           // Version of the checks
	Source   string `json:"source,omitempty"`   // "org/name", or the folder's base name
	Revision string `json:"revision,omitempty"` // commit of the source
	// Files are the source's files with their SHA-256, as far as they were read.
	Files []SourceFile `json:"files,omitempty"`
	// Plan is the digest of the printed plan, Rules the rules in force, in order.
	Plan  string   `json:"plan,omitempty"`
	Rules []string `json:"rules,omitempty"`
	// Adapters are what was fused into the source's weights, in order.
	Adapters []Adapter `json:"adapters,omitempty"`
	// MTPFrom is the source whose multi-token-prediction head it was given.
	MTPFrom string `json:"mtp_from,omitempty"`
	// Calibration is the digest of the file by which its scales were searched.
	Calibration string `json:"calibration,omitempty"`
	// Method is gptq where they were searched with error feedback.
	Method string `json:"method,omitempty"`
	// Parser, Renderer and Requires are what the model's config says to Ollama.
	Parser   string `json:"parser,omitempty"`
	Renderer string `json:"renderer,omitempty"`
	Requires string `json:"requires,omitempty"`
	// Against names the reference of a quality verification.
	Against string `json:"against,omitempty"`
}

// Adapter is a set of changes that was fused in.
type Adapter struct {
	Name   string  `json:"name"`          // of its folder
	Maker  string  `json:"maker"`         // PEFT or mlx-lm
	Scale  float64 `json:"scale"`         // that the user gave it; 1 as it was trained
	SHA256 string  `json:"sha256"`        // of the file of its arrays
	Config string  `json:"config_sha256"` // of its adapter_config.json
}

// SourceFile is one file of the source, by its name in the checkpoint folder.
type SourceFile struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256,omitempty"`
	// HeaderSHA256 is of a shard's header with the length before it, which tells two checkpoints
	// apart that differ in more than values. It stands where hashing a shard was not asked for.
	HeaderSHA256 string `json:"header_sha256,omitempty"`
}

// Stale says why a verdict kept from earlier does not answer for this manifest at this level, or
// "" when it does. A verdict that says no answers as well as one that says yes.
func (r *Report) Stale(manifest string, level Level) string {
	switch {
	case r.Manifest == "" || r.Manifest != manifest:
		return fmt.Sprintf("it judged manifest %s, the name now points at %s", orNone(r.Manifest), orNone(manifest))
	case r.Origin != "":
		return fmt.Sprintf("it came with the model from %s and was not checked: qimport verify makes one here", r.Origin)
	case r.Provenance.Verifier != Version:
		return fmt.Sprintf("it was made by version %d of the checks, this is version %d", r.Provenance.Verifier, Version)
	case !r.Level.Covers(level):
		return fmt.Sprintf("it went as far as %s, %s is asked for", r.Level, level)
	}
	return ""
}

// Covers says whether level l includes all that other asks for.
func (l Level) Covers(other Level) bool { return l.rank() >= other.rank() }

func (l Level) rank() int {
	switch l {
	case Blobs:
		return 1
	case Smoke:
		return 2
	case Quality:
		return 3
	}
	return 0
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}
