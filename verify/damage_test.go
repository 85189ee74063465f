package verify

import (
	"math"
	"os"
	"slices"
	"strings"

	"qimport/arch"
	"qimport/quant"
	"qimport/runtime"
)

// The kinds of damage. Sizes are those of the two small models: 4 value heads over 2 key heads of
// width 64, 4 query heads of width 64, 8 experts.

func nothing(checkpointCopy) {}

func stateBF16(o *Options)     { o.Runtime = runtime.Options{StateDtype: quant.BF16} }
func wrongProducts(o *Options) { o.Runtime = runtime.Options{Compute: runtime.Quantized, WrongRows: 3} }
func decayBF16(o *Options)     { o.Runtime = runtime.Options{DecayDtype: quant.BF16} }

// tensor finds the array whose name ends so.
func tensor(arrays map[string]raw, suffix string) raw {
	for name, a := range arrays {
		if strings.HasSuffix(name, suffix) {
			return a
		}
	}
	panic("no tensor ends with " + suffix)
}

func shiftNorms(by float32) func(checkpointCopy) {
	return func(c checkpointCopy) {
		c.editTensors(func(arrays map[string]raw) {
			for name, a := range arrays {
				body := strings.TrimPrefix(name, "language_model.model.")
				if arch.ZeroCentred(body) {
					a.editBF16(func(v []float32) {
						for i := range v {
							v[i] += by
						}
					})
				}
			}
		})
	}
}

func shiftOneNorm(c checkpointCopy) {
	c.editTensors(func(arrays map[string]raw) {
		tensor(arrays, "layers.3.self_attn.k_norm.weight").editBF16(func(v []float32) {
			for i := range v {
				v[i]++
			}
		})
	})
}

// swapConvAxis turns [C, K, 1] into [C, 1, K], the form of a release, and leaves the norms.
func swapConvAxis(c checkpointCopy) {
	c.editTensors(func(arrays map[string]raw) {
		for name, a := range arrays {
			if strings.HasSuffix(name, "conv1d.weight") {
				arrays[name] = raw{a.dtype, []int{a.shape[0], a.shape[2], a.shape[1]}, a.data}
			}
		}
	})
}

func reverseTaps(c checkpointCopy) {
	c.editTensors(func(arrays map[string]raw) {
		for name, a := range arrays {
			if strings.HasSuffix(name, "conv1d.weight") {
				taps := a.shape[1]
				a.editBF16(func(v []float32) {
					for row := 0; row < len(v); row += taps {
						slices.Reverse(v[row : row+taps])
					}
				})
			}
		}
	})
}

// permuteRows moves whole blocks of rows: block i of the result is block order[i].
func permuteRows(a raw, from, rows int, order []int) {
	row := len(a.data) / a.shape[0]
	part := a.data[from*row:][:rows*len(order)*row]
	old := slices.Clone(part)
	for i, o := range order {
		copy(part[i*rows*row:][:rows*row], old[o*rows*row:])
	}
}

func swapQueryGate(c checkpointCopy) {
	c.editTensors(func(arrays map[string]raw) {
		for name, a := range arrays {
			if strings.HasSuffix(name, "q_proj.weight") {
				permuteRows(a, 0, 64, []int{1, 0, 3, 2, 5, 4, 7, 6})
			}
		}
	})
}

// tileKeyHeads relabels the value heads as 0 2 1 3, all their tensors alike, so that each meets the
// key head that it would meet were the key heads tiled rather than each repeated in a row.
func tileKeyHeads(c checkpointCopy) {
	order := []int{0, 2, 1, 3}
	c.editTensors(func(arrays map[string]raw) {
		for name, a := range arrays {
			switch {
			case strings.HasSuffix(name, "in_proj_qkv.weight"), strings.HasSuffix(name, "conv1d.weight"):
				permuteRows(a, 256, 64, order)
			case strings.HasSuffix(name, "in_proj_z.weight"):
				permuteRows(a, 0, 64, order)
			case strings.HasSuffix(name, "in_proj_a.weight"), strings.HasSuffix(name, "in_proj_b.weight"),
				strings.HasSuffix(name, "A_log"), strings.HasSuffix(name, "dt_bias"):
				permuteRows(a, 0, 1, order)
			case strings.HasSuffix(name, "linear_attn.out_proj.weight"):
				permuteColumns(a, 64, order)
			}
		}
	})
}

// permuteColumns does to the columns of a bf16 matrix what permuteRows does to rows.
func permuteColumns(a raw, width int, order []int) {
	row := 2 * a.shape[1]
	for r := 0; r < len(a.data); r += row {
		old := slices.Clone(a.data[r : r+row])
		for i, o := range order {
			copy(a.data[r+2*width*i:][:2*width], old[2*width*o:])
		}
	}
}

func coarseDecay(c checkpointCopy) {
	c.editTensors(func(arrays map[string]raw) {
		for name, a := range arrays {
			if strings.HasSuffix(name, "A_log") {
				values := make([]float32, len(a.data)/4)
				c.must(quant.ToFloat32(values, a.data, quant.F32))
				data := make([]byte, 2*len(values))
				c.must(quant.FromFloat32(data, quant.BF16, values))
				arrays[name] = raw{quant.BF16, a.shape, data}
			}
		}
	})
}

func permuteExperts(c checkpointCopy) {
	c.editTensors(func(arrays map[string]raw) {
		for name, a := range arrays {
			if strings.Contains(name, ".switch_mlp.") {
				permuteRows(a, 0, 1, []int{1, 2, 3, 4, 5, 6, 7, 0})
			}
		}
	})
}

func swapGateUp(c checkpointCopy) {
	c.editTensors(func(arrays map[string]raw) {
		for name, gate := range arrays {
			if stem, ok := strings.CutSuffix(name, "gate_proj.weight"); ok {
				up := arrays[stem+"up_proj.weight"]
				arrays[stem+"up_proj.weight"], arrays[name] = gate, up
			}
		}
	})
}

func doubleOneScale(c checkpointCopy) {
	c.editTensors(func(arrays map[string]raw) {
		for _, part := range []string{"scales", "biases"} {
			tensor(arrays, "layers.1.mlp.switch_mlp.down_proj."+part).editBF16(func(v []float32) {
				for i := range v {
					v[i] *= 2
				}
			})
		}
	})
}

func swapOneNibbles(c checkpointCopy) {
	c.editTensors(func(arrays map[string]raw) {
		data := tensor(arrays, "layers.1.linear_attn.in_proj_qkv.weight").data
		for i, b := range data {
			data[i] = b<<4 | b>>4
		}
	})
}

func ropeOn(key string, value any) func(checkpointCopy) {
	return func(c checkpointCopy) {
		c.editJSON("config.json", func(config map[string]any) {
			text := config["text_config"].(map[string]any)
			text["rope_parameters"].(map[string]any)[key] = value
			if _, there := text[key]; there {
				text[key] = value
			}
		})
	}
}

// loseEnd makes every file forget the token that ends a turn, as conversions have done.
// flattenLogits leaves the likeliest token where it is, and little of its probability.
func flattenLogits(c checkpointCopy) {
	c.editTensors(func(arrays map[string]raw) {
		tensor(arrays, "model.norm.weight").editBF16(func(v []float32) {
			for i := range v {
				v[i] /= 64
			}
		})
	})
}

func loseEnd(c checkpointCopy) {
	c.editJSON("generation_config.json", func(v map[string]any) { delete(v, "eos_token_id") })
	c.editJSON("tokenizer_config.json", func(v map[string]any) { v["eos_token"] = "<|endoftext|>" })
	c.editJSON("config.json", func(v map[string]any) {
		delete(v, "eos_token_id")
		v["text_config"].(map[string]any)["eos_token_id"] = 1024
	})
}

// otherEnd names an ordinary word as an end.
func otherEnd(c checkpointCopy) {
	c.editJSON("generation_config.json", func(v map[string]any) { v["eos_token_id"] = []int{1026, 500} })
}

func infinity(c checkpointCopy) {
	c.editTensors(func(arrays map[string]raw) {
		tensor(arrays, "layers.2.mlp.down_proj.weight").editBF16(func(v []float32) { v[1000] = float32(math.Inf(1)) })
	})
}

// otherTokenizer gives the words other ids, and leaves their number and the special tokens.
func otherTokenizer(c checkpointCopy) {
	c.editJSON("tokenizer.json", func(v map[string]any) {
		vocabulary := v["model"].(map[string]any)["vocab"].(map[string]any)
		for word, id := range vocabulary {
			if n := int(id.(float64)); n >= 256 {
				vocabulary[word] = float64(256 + (n-256+100)%(len(vocabulary)-256))
			}
		}
	})
}

func largerTokenizer(c checkpointCopy) {
	c.editJSON("tokenizer.json", func(v map[string]any) {
		added := v["added_tokens"].([]any)
		last := added[len(added)-1].(map[string]any)
		more := map[string]any{}
		for k, value := range last {
			more[k] = value
		}
		more["id"], more["content"] = 1088, "<|more|>"
		v["added_tokens"] = append(added, more)
	})
}

func loseTemplate(c checkpointCopy) {
	c.must(os.Remove(c.path("chat_template.jinja")))
	c.editJSON("tokenizer_config.json", func(v map[string]any) { delete(v, "chat_template") })
}
