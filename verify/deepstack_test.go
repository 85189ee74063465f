package verify

import (
	"slices"
	"strings"
	"testing"

	"qimport/verify/report"
)

// deep is a small random model whose tower feeds the first layers, after blocks 0 and 2; see oracle/qwen3vl.py.
const deep = "../testdata/qwen3-vl"

// deepSparse is one like it, with experts in stacks [experts, in, out], as releases have them.
const deepSparse = "../testdata/qwen3-vl-moe"

const deepMergers = "visual.deepstack_merger_list."

// deepBlocks says after which blocks features are taken.
func deepBlocks(at ...int) func(checkpointCopy) {
	return func(c checkpointCopy) {
		c.editJSON("config.json", func(v map[string]any) {
			v["vision_config"].(map[string]any)["deepstack_visual_indexes"] = append([]int{}, at...)
		})
	}
}

// renameMergers gives tensors of deepstack's mergers other numbers; those without one are lost.
func renameMergers(to map[string]string) func(checkpointCopy) {
	return func(c checkpointCopy) {
		c.editTensors(func(arrays map[string]raw) {
			old := map[string]raw{}
			for name, a := range arrays {
				if strings.Contains(name, deepMergers) {
					old[name] = a
					delete(arrays, name)
				}
			}
			for name, a := range old {
				before, rest, _ := strings.Cut(name, deepMergers)
				number, part, _ := strings.Cut(rest, ".")
				if n, kept := to[number]; kept {
					arrays[before+deepMergers+n+"."+part] = a
				}
			}
		})
	}
}

func deepstackFaults() []fault {
	lost := renameMergers(nil)
	return []fault{
		{name: "mergers of deepstack swapped", damage: renameMergers(map[string]string{"0": "1", "1": "0"}), quality: "quality.features"},
		{name: "mergers of deepstack left out, and not named", damage: both(lost, deepBlocks()), quality: "quality.config"},
		{name: "mergers of deepstack left out", damage: lost, smoke: "smoke.tower"},
		{name: "mergers of deepstack fed by no block", damage: deepBlocks(), smoke: "smoke.tower", quality: "quality.config"},
		{name: "mergers of deepstack fed by other blocks", damage: deepBlocks(0, 1), quality: "quality.features"},
		{name: "norm of a merger of deepstack lost", damage: both(towerTensor("_list.1.norm.weight", fillWith(1)), towerTensor("_list.1.norm.bias", fillWith(0))), smoke: "smoke.tower", quality: "quality.features"},
		{name: "a merger of deepstack says the same of all pictures", damage: towerTensor("_list.1.linear_fc2.weight", fillWith(0)), smoke: "smoke.tower", quality: "quality.features"},
	}
}

// stacks changes the stacks of experts of that projection.
func stacks(projection string, change func(raw) raw) func(checkpointCopy) {
	return func(c checkpointCopy) {
		c.editTensors(func(arrays map[string]raw) {
			for name, a := range arrays {
				if strings.HasSuffix(name, ".mlp.experts."+projection) {
					arrays[name] = change(a)
				}
			}
		})
	}
}

func sparseFaults() []fault {
	return []fault{
		{name: "mergers of deepstack swapped", damage: renameMergers(map[string]string{"0": "1", "1": "0"}), quality: "quality.features"},
		{name: "gate and up of the experts swapped", quality: "quality.kl", damage: stacks("gate_up_proj", func(a raw) raw {
			half := a.shape[2] // bytes of half a line of bf16
			swapped := []byte{}
			for line := range slices.Chunk(a.data, 2*half) {
				swapped = append(append(swapped, line[half:]...), line[:half]...)
			}
			a.data = swapped
			return a
		})},
		{name: "axes of the experts named in another order, and nothing moved", quality: "quality.kl", damage: stacks("down_proj", func(a raw) raw {
			a.shape = []int{a.shape[0], a.shape[2], a.shape[1]}
			return a
		})},
	}
}

// TestDeepstackFaults: what can go wrong with features that go to the first layers is found out, and with
// experts beside them. The models are random, so that no answer is expected, and all that fails of the good ones
// is that they guess.
func TestDeepstackFaults(t *testing.T) {
	needMLX(t)
	t.Run("dense", func(t *testing.T) { catchDeep(t, deep, deepstackFaults()) })
	t.Run("experts", func(t *testing.T) { catchDeep(t, deepSparse, sparseFaults()) })
}

func catchDeep(t *testing.T, good string, faults []fault) {
	const guesses = "quality.reference"
	o := Options{Level: report.Quality, Lengths: []int{1}, TextTokens: 64}
	for _, c := range seeingCases() {
		c.Expect, c.Tokens = "", 8
		o.Cases = append(o.Cases, c)
	}
	run := func(t *testing.T, dir string) (failed, missing []string) {
		r := judge(t, against(t, Directory("damaged", dir), good), o)
		c, _ := r.Check("quality.features")
		t.Logf("failed %v, not run %v; %s", ended(r, report.Failed), ended(r, report.NotRun), c.Detail)
		without := func(checks []string, but string) []string {
			return slices.DeleteFunc(checks, func(check string) bool { return check == but })
		}
		// so few tokens may all be written by a model that guesses
		return without(ended(r, report.Failed), guesses), without(ended(r, report.NotRun), "smoke.stops")
	}
	if failed, missing := run(t, good); len(failed)+len(missing) > 0 {
		t.Fatalf("the model is good, yet failed %v, not run %v", failed, missing)
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			c := copyCheckpoint(t, good)
			f.damage(c)
			failed, _ := run(t, c.dir)
			for _, check := range []string{f.smoke, f.quality} {
				if check != "" && !slices.Contains(failed, check) {
					t.Errorf("%s did not fail; failed %v", check, failed)
				}
			}
			if beside := slices.ContainsFunc(failed, func(check string) bool { return !strings.HasPrefix(check, "quality.") }); beside != (f.smoke != "") {
				t.Errorf("the table says that %q sees it without a source; failed %v", f.smoke, failed)
			}
		})
	}
}
