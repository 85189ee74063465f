package files

import (
	"encoding/json"
	"math"
)

// Sampling is how a model's maker means answers to be drawn: what generation_config.json says. What it does
// not say is nil.
type Sampling struct {
	Temperature       *float64
	TopK              *int
	TopP, MinP        *float64
	RepetitionPenalty *float64
}

// IsSaid says whether the file says anything of it.
func (s Sampling) IsSaid() bool { return s != Sampling{} }

// sampling reads the settings. Where do_sample is false the maker means the likeliest token to be taken, and
// the settings beside it are left over. Each is held to where it means something: what a sampler would take
// for another number is refused.
func (o object) sampling() Sampling {
	if raw, there := o.value("do_sample"); there {
		sample := true
		if json.Unmarshal(raw, &sample) != nil {
			o.refuse("do_sample", raw, "true or false")
		}
		if !sample {
			return Sampling{}
		}
	}
	s := Sampling{
		Temperature:       o.number("temperature", 0, math.MaxFloat32),
		TopP:              o.number("top_p", 0, 1),
		MinP:              o.number("min_p", 0, 1),
		RepetitionPenalty: o.number("repetition_penalty", math.SmallestNonzeroFloat32, math.MaxFloat32),
	}
	if k := o.number("top_k", 0, math.MaxInt32); k != nil {
		n := int(*k)
		if s.TopK = &n; float64(n) != *k {
			o.refuse("top_k", o.keys["top_k"], "a whole number")
		}
	}
	return s
}

// number is a number within bounds; nil where the key is not there.
func (o object) number(key string, least, most float64) *float64 {
	raw, there := o.value(key)
	if !there {
		return nil
	}
	var v float64
	if json.Unmarshal(raw, &v) != nil || v < least || v > most {
		o.refuse(key, raw, "a number that means something there")
		return nil
	}
	return &v
}
