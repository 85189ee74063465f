package verify

import "slices"

// loop is a stretch of output that says the same again and again.
type loop struct {
	at      int // index of its first token
	period  int // tokens that repeat
	repeats int // how often they stand there, one after the other
}

// What counts as a loop. Good answers do repeat themselves: rows of a table, a line of dashes, a
// list with one frame. So a loop must fill minLoopTokens with at least minLoopRepeats exact
// repeats; a single token must stand there much longer.
const (
	minLoopTokens  = 48
	minLoopRepeats = 4
	maxLoopPeriod  = 64
)

// findLoop looks for the first stretch of ids that repeats itself exactly.
func findLoop(ids []int) (loop, bool) {
	found, ok := loop{}, false
	for period := 1; period <= min(maxLoopPeriod, len(ids)/minLoopRepeats); period++ {
		if l, is := loopOf(ids, period); is && (!ok || l.at < found.at) {
			found, ok = l, true
		}
	}
	return found, ok
}

// loopOf finds the first loop of one period: a run of positions that equal the token one period
// before them.
func loopOf(ids []int, period int) (loop, bool) {
	same := 0
	for i := period; i <= len(ids); i++ {
		if i < len(ids) && ids[i] == ids[i-period] {
			same++
			continue
		}
		length := same + period
		if length >= minLoopTokens && length >= minLoopRepeats*period {
			return loop{at: i - length, period: period, repeats: length / period}, true
		}
		same = 0
	}
	return loop{}, false
}

// variety is the share of distinct runs of four tokens among the last window ids; 1 when there
// are too few to tell. Drift that repeats inexactly shows here: sound prose stays above a half.
func variety(ids []int, window int) float64 {
	const run = 4
	ids = ids[max(0, len(ids)-window):]
	if len(ids) < window || window <= run {
		return 1
	}
	seen := map[[run]int]bool{}
	for i := 0; i+run <= len(ids); i++ {
		seen[[run]int(ids[i:i+run])] = true
	}
	return float64(len(seen)) / float64(len(ids)-run+1)
}

// leaks are the control tokens in an answer: those that belong to the prompt's markup, which a
// sound model never says. The stop token that ended the answer is not among ids.
func leaks(ids []int, control map[int]string) []string {
	var found []string
	for _, id := range ids {
		if name, is := control[id]; is && !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return found
}
