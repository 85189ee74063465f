package runtime

import (
	"slices"

	"qimport/runtime/mlx"
	"qimport/runtime/model"
)

// placed is a picture in a sequence.
type placed struct {
	at int // the place of its first token
	*seen
}

func (p placed) end() int { return p.at + p.tokens() }

// samePictures says whether two sequences have the same pictures in their first n places.
func samePictures(a, b []placed, n int) bool {
	return slices.EqualFunc(before(a, n), before(b, n), func(p, q placed) bool { return p.at == q.at && p.digest == q.digest })
}

// before are the pictures that begin before place n.
func before(pictures []placed, n int) []placed {
	for i, p := range pictures {
		if p.at >= n {
			return pictures[:i]
		}
	}
	return pictures
}

// positions are time, row and column of n tokens from a place on. Text counts all three on; a picture's
// tokens share their time, and the text after it goes on from the largest position + 1.
func positions(pictures []placed, from, n int) [][3]int {
	all := make([][3]int, 0, n)
	shift := 0
	for place := from; place < from+n; place++ {
		for len(pictures) > 0 && place >= pictures[0].end() {
			shift += pictures[0].tokens() - pictures[0].positions()
			pictures = pictures[1:]
		}
		if len(pictures) == 0 || place < pictures[0].at {
			all = append(all, [3]int{place - shift, place - shift, place - shift})
			continue
		}
		p := pictures[0]
		start, i := p.at-shift, place-p.at
		all = append(all, [3]int{start, start + i/p.columns, start + i%p.columns})
	}
	return all
}

// sight is what pictures are to the n tokens that stand from a place on. Its arrays last as long as the
// scope.
func (x *batch) sight(s *mlx.Scope, from, n int) model.Sight {
	var v model.Sight
	for _, p := range before(x.pictures, from+n) {
		if p.end() <= from {
			v.Shift += p.tokens() - p.positions()
			continue
		}
		first, last := max(p.at, from)-p.at, min(p.end(), from+n)-p.at
		part := func(features []float32) *mlx.Array {
			width := len(features) / p.tokens()
			return s.FromFloat32(features[first*width:last*width], last-first, width)
		}
		span := model.Span{At: p.at + first - from, Merged: part(p.merged)}
		for _, d := range p.deepstack {
			span.Deepstack = append(span.Deepstack, part(d))
		}
		v.Spans = append(v.Spans, span)
	}
	if len(v.Spans) > 0 {
		v.Turns = x.model.decoder.Turns(s, positions(x.pictures, from, n), x.model.Config.Tower.Sections)
	}
	return v
}
