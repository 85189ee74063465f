package encode

import (
	"slices"

	"qimport/convert/plan"
	"qimport/quant"
)

// chunkSize is how work is cut, so that a large tensor is worked on by all cores, and memory stays
// bounded whatever the number of cores.
type chunkSize struct {
	elements int // of one chunk, unless a single row has more
	ahead    int // chunks of a tensor that may wait for their turn to be written
	inFlight int // chunks of all tensors in memory at once
}

const (
	chunkBudget = 96 << 20 // bytes of chunks in memory, at four bytes an element
	maxChunk    = 512 << 10
	minChunk    = 32 << 10
	chunksAhead = 2
)

func sizeChunks(jobs int) chunkSize {
	size := chunkSize{ahead: chunksAhead}
	size.inFlight = (jobs + 1) * (chunksAhead + 2)
	size.elements = min(max(chunkBudget/4/size.inFlight, minChunk), maxChunk)
	return size
}

// PeakMemory estimates the bytes of memory that carrying out a plan needs with that many jobs (0 for one a
// core): the program itself, what it keeps of each tensor, calibrations included, and chunks, with the mapped
// pages they are made from. Engines beside each other share the chunks.
func PeakMemory(p plan.Plan, jobs int) int64 {
	const program, perTensor = 48 << 20, 2 << 10
	jobs = workers(jobs)
	size := sizeChunks(jobs)
	return program + perTensor*int64(p.Totals().Tensors) + 4*int64(size.elements*size.inFlight) + calibrated(p, jobs+1)
}

// calibrated is what a plan's calibration takes: weights, and of second moments, which are read when their tensor's
// turn comes, a matrix as it is read and what error feedback makes of it, eight bytes each, for as many tensors as are
// made at once, and of stacks whose experts have their own for as many of these as are kept.
func calibrated(p plan.Plan, atOnce int) (bytes int64) {
	var factors []int64
	for _, b := range p.Blobs {
		for _, t := range b.Tensors {
			bytes += 4 * int64(len(t.Weights))
			if !t.Moments.Known() {
				continue
			}
			factors = append(factors, int64(t.Moments.Matrix())*int64(4+8*min(max(len(t.Moments.Rows), 1), feedbacksKept)))
		}
	}
	slices.Sort(factors)
	for _, n := range factors[max(len(factors)-atOnce, 0):] {
		bytes += n
	}
	return bytes
}

// span is the rows [from, to) of one piece of the source, a row being a line of the last dimension.
type span struct {
	piece, from, to int
	first           int   // element of the whole tensor at which it begins
	bytes           int64 // of the source, scales included
}

// cut divides a tensor into spans of whole rows.
func (size chunkSize) cut(t plan.Tensor, pieces []quant.Tensor) []span {
	var spans []span
	first := 0
	for i, p := range pieces {
		cols := max(quant.Columns(p.Shape), 1)
		rows := quant.Elements(p.Shape) / cols
		step := max(size.elements/cols, 1)
		if t.Transform == plan.ChannelsToFront || t.Transform == plan.ChannelsToBack || rows == 0 {
			step = max(rows, 1)
		}
		total := t.From.Pieces[i].Bytes()
		for from := 0; from == 0 || from < rows; from += step {
			to := min(from+step, rows)
			share := total
			if rows > 0 {
				share = total*int64(to)/int64(rows) - total*int64(from)/int64(rows)
			}
			spans = append(spans, span{piece: i, from: from, to: to, first: first + from*cols, bytes: share})
		}
		first += rows * cols
	}
	return spans
}
