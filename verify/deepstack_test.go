package verify

import (
	"slices"
	"strings"
	"testing"

	"qimport/verify/report"
)

// deep is a small random model whose tower feeds the first layers, after blocks 0 and 2; see oracle/qwen3vl.py.
const deep = "../testdata/qwen3-vl"

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
		{name: "a merger of deepstack says the same of all pictures", damage: towerTensor("_list.1.linear_fc2.weight", fillWith(0)), smoke: "smoke.tower", quality: "quality.features"},
	}
}

// TestDeepstackFaults: what can go wrong with features that go to the first layers is found out. The model is
// random, so that no answer is expected, and all that fails of the good one is that it guesses.
func TestDeepstackFaults(t *testing.T) {
	needMLX(t)
	const guesses = "quality.reference"
	o := Options{Level: report.Quality, Lengths: []int{1}, TextTokens: 64}
	for _, c := range seeingCases() {
		c.Expect, c.Tokens = "", 8
		o.Cases = append(o.Cases, c)
	}
	run := func(t *testing.T, dir string) (failed, missing []string) {
		r := judge(t, against(t, Directory("damaged", dir), deep), o)
		c, _ := r.Check("quality.features")
		t.Logf("failed %v, not run %v; %s", ended(r, report.Failed), ended(r, report.NotRun), c.Detail)
		return slices.DeleteFunc(ended(r, report.Failed), func(check string) bool { return check == guesses }), ended(r, report.NotRun)
	}
	if failed, missing := run(t, deep); len(failed)+len(missing) > 0 {
		t.Fatalf("the model is good, yet failed %v, not run %v", failed, missing)
	}
	for _, f := range deepstackFaults() {
		t.Run(f.name, func(t *testing.T) {
			c := copyCheckpoint(t, deep)
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
