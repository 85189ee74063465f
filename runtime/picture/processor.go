package picture

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
)

// ErrProcessor marks a processor file that is malformed, or asks for what is not done here.
var ErrProcessor = errors.New("picture processor refused")

// The files that say how a model's pictures are prepared, in the order in which they are looked for.
const (
	ProcessorFile = "preprocessor_config.json"
	JointFile     = "processor_config.json" // with the key image_processor
)

// Processor is how a model's pictures are prepared.
type Processor struct {
	Patch    int // side of a patch, in pixels
	Merge    int // side of a square of patches that become one token
	Temporal int // frames of a patch; a still picture is that many equal ones
	// MinPixels and MaxPixels bound what a picture is resized to.
	MinPixels, MaxPixels int
	Mean, Deviation      [3]float64 // of each colour, of values from 0 to 1
	Resize               bool       // else sides must be multiples of Patch * Merge already
}

// What a side or a number of patches may be, and what the files mean where they are silent: the defaults
// of transformers' Qwen2VLImageProcessor.
const (
	maxPatch    = 64
	maxMerge    = 8
	maxTemporal = 4
	defaultMin  = 56 * 56
	defaultMax  = 28 * 28 * 1280
	bicubic     = 3       // of PIL's numbers
	mostPixels  = 1 << 24 // as the releases have it: 400 MB of patches
)

// clip are mean and deviation of CLIP, which the image processor takes where its file says nothing.
var clip = struct{ mean, deviation []float64 }{
	[]float64{0.48145466, 0.4578275, 0.40821073}, []float64{0.26862954, 0.26130258, 0.27577711},
}

// processorFile is what the files may say. Null and absent are the same.
type processorFile struct {
	Kind      string     `json:"image_processor_type"`
	Patch     *int       `json:"patch_size"`
	Merge     *int       `json:"merge_size"`
	Temporal  *int       `json:"temporal_patch_size"`
	MinPixels *int       `json:"min_pixels"`
	MaxPixels *int       `json:"max_pixels"`
	Size      *sizes     `json:"size"`
	Mean      *[]float64 `json:"image_mean"`
	Deviation *[]float64 `json:"image_std"`
	Factor    *float64   `json:"rescale_factor"`
	Resample  *int       `json:"resample"`
	Resize    *bool      `json:"do_resize"`
	Rescale   *bool      `json:"do_rescale"`
	Normalize *bool      `json:"do_normalize"`
}

// sizes are numbers of pixels, whatever their names.
type sizes struct {
	Shortest *int `json:"shortest_edge"`
	Longest  *int `json:"longest_edge"`
}

// ReadProcessor reads one of the two files: a processor's own, or the one that has it as image_processor.
func ReadProcessor(b []byte) (Processor, error) {
	var joint struct {
		Image *json.RawMessage `json:"image_processor"`
	}
	if err := json.Unmarshal(b, &joint); err != nil {
		return Processor{}, fmt.Errorf("%w: %w", ErrProcessor, err)
	}
	if joint.Image != nil {
		b = *joint.Image
	}
	var f processorFile
	if err := json.Unmarshal(b, &f); err != nil {
		return Processor{}, fmt.Errorf("%w: %w", ErrProcessor, err)
	}
	return f.processor()
}

// or is what a key holds, or what its absence means.
func or[T any](v *T, absent T) T {
	if v == nil {
		return absent
	}
	return *v
}

// processor checks what the file says.
func (f processorFile) processor() (Processor, error) {
	p := Processor{
		Patch: or(f.Patch, 14), Merge: or(f.Merge, 2), Temporal: or(f.Temporal, 2), Resize: or(f.Resize, true),
		MinPixels: defaultMin, MaxPixels: defaultMax,
	}
	if f.Size != nil {
		p.MinPixels, p.MaxPixels = or(f.Size.Shortest, defaultMin), or(f.Size.Longest, defaultMax)
	}
	p.MinPixels, p.MaxPixels = or(f.MinPixels, p.MinPixels), or(f.MaxPixels, p.MaxPixels) // the older names win
	var findings []error
	bad := func(text string, args ...any) { findings = append(findings, fmt.Errorf(text, args...)) }
	if f.Kind != "" && !strings.HasPrefix(f.Kind, "Qwen2VLImageProcessor") && !strings.HasPrefix(f.Kind, "Qwen3VLImageProcessor") {
		bad("image_processor_type %q is not known; known are Qwen2VLImageProcessor and Qwen3VLImageProcessor", f.Kind)
	}
	for _, n := range []struct {
		key       string
		value, to int
	}{
		{"patch_size", p.Patch, maxPatch}, {"merge_size", p.Merge, maxMerge}, {"temporal_patch_size", p.Temporal, maxTemporal},
		{"the smallest number of pixels", p.MinPixels, mostPixels}, {"the largest number of pixels", p.MaxPixels, math.MaxInt32},
	} {
		if n.value < 1 || n.value > n.to {
			bad("%s is %d; it must be from 1 to %d", n.key, n.value, n.to)
		}
	}
	if p.MaxPixels = min(p.MaxPixels, mostPixels); p.MinPixels > p.MaxPixels {
		bad("pictures are to have at least %d and at most %d pixels", p.MinPixels, p.MaxPixels)
	}
	if n := or(f.Resample, bicubic); n != bicubic {
		bad("resample %d is not supported; supported: %d, bicubic", n, bicubic)
	}
	var err error
	if p.Mean, p.Deviation, err = f.colours(); err != nil {
		bad("%w", err)
	}
	if err := errors.Join(findings...); err != nil {
		return Processor{}, fmt.Errorf("%w: %w", ErrProcessor, err)
	}
	return p, nil
}

// colours are mean and deviation of values from 0 to 1, whatever is done of rescaling and normalizing.
func (f processorFile) colours() (mean, deviation [3]float64, err error) {
	scale := or(f.Factor, 1.0/255) * 255
	if !or(f.Rescale, true) {
		scale = 255
	}
	if !(math.Abs(scale) > 0) || math.IsInf(scale, 0) {
		return mean, deviation, fmt.Errorf("rescale_factor %g is no factor", scale/255)
	}
	for c := range mean {
		mean[c], deviation[c] = 0, 1
		if or(f.Normalize, true) {
			means, deviations := or(f.Mean, clip.mean), or(f.Deviation, clip.deviation)
			if len(means) != 3 || len(deviations) != 3 {
				return mean, deviation, fmt.Errorf("image_mean and image_std have %d and %d numbers; 3 are needed", len(means), len(deviations))
			}
			mean[c], deviation[c] = means[c], deviations[c]
		}
		mean[c], deviation[c] = mean[c]/scale, deviation[c]/scale
		if !(deviation[c] > 0) || math.IsInf(mean[c], 0) || math.IsNaN(mean[c]) || math.IsInf(deviation[c], 0) {
			return mean, deviation, errors.New("image_mean must hold numbers, and image_std some above 0")
		}
	}
	return mean, deviation, nil
}
