package plan

import (
	"qimport/convert/ollama"
	"qimport/quant"
)

// Totals are the sums of a plan.
type Totals struct {
	Tensors       int
	BytesRead     int64 // of the source's tensors
	BytesWritten  int64 // of all blobs with tensors, headers included
	BitsPerWeight float64
}

// Totals adds the plan up. Config and other files are not counted: their sizes are not in headers.
func (p Plan) Totals() Totals {
	var t Totals
	var bytes, elements int64
	for _, b := range p.Blobs {
		t.BytesWritten += b.Bytes
		for _, tp := range b.Tensors {
			t.Tensors++
			t.BytesRead += tp.From.Bytes()
			bytes += tp.Bytes
			elements += int64(quant.Elements(tp.Shape))
		}
	}
	if elements > 0 {
		t.BitsPerWeight = 8 * float64(bytes) / float64(elements)
	}
	return t
}

// Report is a plan in the form that scripts rely on: keys may be added, none changes.
type Report struct {
	Schema        int            `json:"schema"`
	Source        string         `json:"source"`
	Tensors       []TensorReport `json:"tensors"`
	Files         []string       `json:"files"`
	Dropped       []string       `json:"dropped"`
	Unasked       []string       `json:"unasked"`
	Warnings      []string       `json:"warnings"`
	Values        []string       `json:"values"` // null where the weights were not read
	Blobs         int            `json:"blobs"`
	BytesRead     int64          `json:"bytes_read"`
	BytesTotal    int64          `json:"bytes_total"`
	BitsPerWeight float64        `json:"bits_per_weight"`
	PeakMemory    int64          `json:"peak_memory_bytes"`
	Free          int64          `json:"free_bytes"`
	Ollama        ollama.Answer  `json:"ollama"`      // what it makes of the model
	ConfigKeys    []string       `json:"config_keys"` // that config.json gets at its top, with their values
	// Laid is what lies over the weights from a Modelfile or flags, or from what the name has had.
	Laid []LaidOver `json:"laid"`
	// Adapters are what the user asked to fuse in.
	Adapters []AdapterReport `json:"adapters,omitempty"`
	// Calibration is that under which scales are searched.
	Calibration *CalibrationReport `json:"calibration,omitempty"`
}

// CalibrationReport is the calibration of a Report.
type CalibrationReport struct {
	Model  string `json:"model"`
	Digest string `json:"digest"` // of the file
	Text   string `json:"text"`   // the digests of what was read
	Tokens int64  `json:"tokens"`
}

// LaidOver is a layer, or a part of the config, that is laid over a model.
type LaidOver struct {
	Kind string `json:"kind"` // template, system, license, params, messages; "parser NAME", "renderer NAME", "requires VERSION"
	Kept bool   `json:"kept"` // the name has had it
}

// AdapterReport is an adapter of a Report.
type AdapterReport struct {
	Name   string  `json:"name"`
	Maker  string  `json:"maker"`
	Scale  float64 `json:"scale"`
	SHA256 string  `json:"sha256"`        // of its arrays' file
	Config string  `json:"config_sha256"` // of its adapter_config.json
}

// TensorReport is one tensor of a Report.
type TensorReport struct {
	Name      string `json:"name"`
	Shape     []int  `json:"shape"`
	Source    string `json:"source"`
	Target    string `json:"target"`
	Rule      string `json:"rule"`
	Bytes     int64  `json:"bytes"`
	Transform string `json:"transform"`
	Search    bool   `json:"scale_search"`
	Weighted  bool   `json:"calibrated"`   // errors are weighed by the calibration
	Feedback  bool   `json:"feedback"`     // from column to column
	Global    bool   `json:"second_scale"` // written, be it the source's or made
	Blob      string `json:"blob"`
	// Adapters are what is fused into the tensor, in order.
	Adapters []FusedReport `json:"adapters,omitempty"`
}

// Report is the plan for scripts. peak is the memory that carrying it out needs, free what the store's
// disk has left, both in bytes.
func (p Plan) Report(peak, free int64) Report {
	t := p.Totals()
	r := Report{
		Schema: 1, Source: p.Origin, Files: list(p.Files), Dropped: list(p.Dropped), Unasked: list(p.Unasked), Warnings: list(p.Warnings),
		Blobs: len(p.Blobs), BytesRead: t.BytesRead, BytesTotal: t.BytesWritten, BitsPerWeight: t.BitsPerWeight,
		PeakMemory: peak, Free: free, Tensors: []TensorReport{}, ConfigKeys: []string{},
	}
	for _, k := range p.Keys {
		r.ConfigKeys = append(r.ConfigKeys, k.Name+"="+k.Value)
	}
	if c := p.Calibration; c != nil {
		r.Calibration = &CalibrationReport{c.Model, c.Digest, c.Text, c.Tokens}
	}
	for _, a := range p.Adapters {
		r.Adapters = append(r.Adapters, AdapterReport{a.Name, a.Maker, a.Scale, p.Shards[a.Shard].SHA256, a.Config})
	}
	for _, b := range p.Blobs {
		for _, tp := range b.Tensors {
			r.Tensors = append(r.Tensors, TensorReport{
				Name: tp.Name, Shape: list(tp.Shape), Source: tp.Source.String(), Target: tp.Target.String(),
				Rule: tp.Rule, Bytes: tp.Bytes, Transform: tp.Transform.String(), Search: tp.Search, Weighted: tp.Weights != nil, Feedback: tp.Moments.Known(), Global: tp.Global, Blob: b.Name, Adapters: p.Fused(tp),
			})
		}
	}
	return r
}

// list makes an empty list of none, so that JSON has [] and not null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
