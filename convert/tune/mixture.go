package tune

import (
	"math"

	"qimport/convert/plan"
	"qimport/quant"
)

// Option is a format that a group may take: what that costs, and how many bytes it is.
type Option struct {
	Format  quant.Format  // the zero format for that of the source
	Tensors []plan.Tensor // of the group, as they would be written
	Bytes   int64         // of them all
	KL      float64       // mean divergence of the model with this one change, nats
}

// Mixture is a choice of one option for each group.
type Mixture struct {
	Bytes  int64
	KL     float64 // the sum of the options'
	Choice []int   // of each group, in their order
}

// maxFrontier bounds the mixtures that are held at a time. Up to so many nothing is lost. Where there are more, the
// best in each of so many equal steps of bytes are kept, and all that are the best for some price of a byte: put
// together, these are the ones that are so for more groups.
const maxFrontier = 2048

// point is a mixture of the first groups: an option of the last of them, beside a mixture of those before.
type point struct {
	bytes        int64
	kl           float64
	option, from int32
}

// Frontier lists the mixtures that no other one of as few bytes beats, from the smallest to the best. Costs are
// taken to add up.
func Frontier(groups []Group) []Mixture {
	stages := [][]point{{{}}}
	for _, g := range groups {
		stages = append(stages, extend(stages[len(stages)-1], g.Options))
	}
	last := stages[len(stages)-1]
	all := make([]Mixture, len(last))
	for i, p := range last {
		all[i] = Mixture{Bytes: p.bytes, KL: p.kl, Choice: make([]int, len(groups))}
		for g, at := len(groups), p; g > 0; g-- {
			all[i].Choice[g-1] = int(at.option)
			at = stages[g-1][at.from]
		}
	}
	return all
}

// extend adds a group to mixtures, and keeps those that none beats. With each option they are in order already.
func extend(before []point, options []Option) []point {
	var best []point
	at := make([]int, len(options)) // in before, of the next one with each option
	for {
		next := point{bytes: math.MaxInt64}
		for i, o := range options {
			if at[i] == len(before) {
				continue
			}
			p := before[at[i]]
			p = point{p.bytes + o.Bytes, p.kl + o.KL, int32(i), int32(at[i])}
			if p.bytes < next.bytes || p.bytes == next.bytes && p.kl < next.kl {
				next = p
			}
		}
		if next.bytes == math.MaxInt64 {
			return thin(best)
		}
		at[next.option]++
		if len(best) == 0 || next.kl < best[len(best)-1].kl {
			best = append(best, next)
		}
	}
}

// thin keeps the last, and so the best, in each step of bytes, and the hull.
func thin(all []point) []point {
	if len(all) <= maxFrontier {
		return all
	}
	least, span := all[0].bytes, all[len(all)-1].bytes-all[0].bytes
	step := func(p point) int64 { return (p.bytes - least) / (span/maxFrontier + 1) }
	hull := hullOf(all)
	kept := all[:0]
	for i, p := range all {
		onHull := len(hull) > 0 && hull[0] == i
		if onHull {
			hull = hull[1:]
		}
		if onHull || step(all[i+1]) != step(p) { // the last is on the hull
			kept = append(kept, p)
		}
	}
	return kept
}

// hullOf are the places of the points that are best for some price of a byte: the first and the last among them.
func hullOf(all []point) (hull []int) {
	for i, p := range all {
		for len(hull) > 1 {
			a, b := all[hull[len(hull)-2]], all[hull[len(hull)-1]]
			if (b.kl-a.kl)*float64(p.bytes-b.bytes) < (p.kl-b.kl)*float64(b.bytes-a.bytes) {
				break // it falls more steeply before b than after it
			}
			hull = hull[:len(hull)-1]
		}
		hull = append(hull, i)
	}
	return hull
}

// Within is the mixture of least cost that has at most so many bytes.
func Within(frontier []Mixture, bytes int64) (Mixture, bool) {
	for i := len(frontier) - 1; i >= 0; i-- {
		if frontier[i].Bytes <= bytes {
			return frontier[i], true
		}
	}
	return Mixture{}, false
}

// AtMost is the smallest mixture that costs at most so much.
func AtMost(frontier []Mixture, kl float64) (Mixture, bool) {
	for _, m := range frontier {
		if m.KL <= kl {
			return m, true
		}
	}
	return Mixture{}, false
}
