package files

import (
	"errors"
	"reflect"
	"testing"
)

func TestSampling(t *testing.T) {
	for _, c := range []struct {
		file string
		want Sampling
	}{
		{`{"do_sample": true, "temperature": 0.6, "top_k": 20, "top_p": 0.95, "min_p": 0, "repetition_penalty": 1.05}`,
			Sampling{Temperature: new(0.6), TopK: new(20), TopP: new(0.95), MinP: new(0.0), RepetitionPenalty: new(1.05)}},
		{`{"temperature": 1}`, Sampling{Temperature: new(1.0)}},
		{`{"do_sample": null, "top_k": null, "top_p": 1.0}`, Sampling{TopP: new(1.0)}},
		{`{"do_sample": false, "temperature": 0.6}`, Sampling{}},
		{`{}`, Sampling{}},
	} {
		got, err := Read(memory{GenerationConfig: c.file})
		if err != nil || !reflect.DeepEqual(got.Sampling, c.want) || got.Sampling.IsSaid() != (c.want != Sampling{}) {
			t.Errorf("%s: %+v, %v", c.file, got.Sampling, err)
		}
	}
	for _, file := range []string{
		`{"temperature": -1}`, `{"temperature": "0.6"}`, `{"temperature": 1e99}`, `{"top_k": 1.5}`, `{"top_k": -1}`, `{"top_k": 1e12}`,
		`{"top_p": 1.1}`, `{"min_p": 2}`, `{"repetition_penalty": 0}`, `{"do_sample": 1}`,
	} {
		if _, err := Read(memory{GenerationConfig: file}); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v", file, err)
		}
	}
}
