package tokenizer

// candidate is a merge that may be due: its rank in the upper 32 bits, the position of its left
// symbol in the lower, so that the smallest is the lowest rank, leftmost first.
type candidate uint64

// queue is a binary heap, smallest first. (container/heap would box every candidate.)
type queue []candidate

func (q *queue) push(c candidate) {
	h := append(*q, c)
	i := len(h) - 1
	for parent := (i - 1) / 2; i > 0 && h[i] < h[parent]; parent = (i - 1) / 2 {
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
	*q = h
}

func (q *queue) pop() candidate {
	h := *q
	top := h[0]
	last := len(h) - 1
	h[0] = h[last]
	h = h[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if right := child + 1; right < last && h[right] < h[child] {
			child = right
		}
		if h[i] <= h[child] {
			break
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
	*q = h
	return top
}
