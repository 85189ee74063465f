package tokenizer

import "fmt"

// pair is two neighbouring tokens.
type pair struct{ left, right int32 }

// merged is what a pair becomes, and how early: lower ranks go first.
type merged struct{ rank, id int32 }

// bpe holds the merges. Words are never looked up whole, unless ignoreMerges asks for it.
type bpe struct {
	bytes        [256]int32 // the token of each single byte
	merges       map[pair]merged
	vocab        map[string]int32 // consulted only with ignoreMerges
	ignoreMerges bool
}

// newBPE resolves the merges from spellings to ids.
func newBPE(m model) (bpe, error) {
	b := bpe{merges: make(map[pair]merged, len(m.merges)), vocab: m.vocab, ignoreMerges: m.options.IgnoreMerges}
	for i, r := range byteRunes {
		id, ok := m.vocab[string(r)]
		if !ok {
			return b, fmt.Errorf("%w: vocabulary has no token %q for byte 0x%02x", ErrUnsupported, string(r), i)
		}
		b.bytes[i] = id
	}
	var spelling []byte
	for rank, sides := range m.merges {
		spelling = append(append(spelling[:0], sides[0]...), sides[1]...)
		left, okLeft := m.vocab[sides[0]]
		right, okRight := m.vocab[sides[1]]
		id, ok := m.vocab[string(spelling)]
		if !okLeft || !okRight || !ok {
			return b, fmt.Errorf("%w: merge %d, %q and %q, names a token that the vocabulary lacks", ErrBadFile, rank, sides[0], sides[1])
		}
		// Of a pair that is listed twice the later rank counts, as in the `tokenizers` library.
		b.merges[pair{left, right}] = merged{int32(rank), id}
	}
	return b, nil
}

// encoding is the state of one Encode call: the ids so far and scratch that pieces share.
type encoding struct {
	bpe     *bpe
	ids     []int
	symbols []symbol
	queue   queue
}

// symbol is a token of the piece being merged, in a doubly linked list; -1 ends the list, and
// an id of -1 marks a symbol that its left neighbour has swallowed.
type symbol struct{ id, prev, next int32 }

// piece appends the ids of one pre-tokenized piece: the lowest rank merges first, leftmost of
// equals. With a heap of candidates this takes n log n steps, however long the piece.
func (e *encoding) piece(text string) {
	if e.bpe.ignoreMerges {
		if id, ok := e.bpe.vocab[spell(text)]; ok {
			e.ids = append(e.ids, int(id))
			return
		}
	}
	e.symbols, e.queue = e.symbols[:0], e.queue[:0]
	for i := range len(text) {
		e.symbols = append(e.symbols, symbol{e.bpe.bytes[text[i]], int32(i - 1), int32(i + 1)})
	}
	e.symbols[len(text)-1].next = -1
	for i := range len(text) - 1 {
		e.propose(int32(i))
	}
	for len(e.queue) > 0 {
		e.merge(e.queue.pop())
	}
	for i := int32(0); i >= 0; i = e.symbols[i].next {
		e.ids = append(e.ids, int(e.symbols[i].id))
	}
}

// lookup returns what the symbol at i and its right neighbour merge to.
func (e *encoding) lookup(i int32) (merged, bool) {
	s := e.symbols[i]
	if s.id < 0 || s.next < 0 {
		return merged{}, false
	}
	m, ok := e.bpe.merges[pair{s.id, e.symbols[s.next].id}]
	return m, ok
}

// propose queues the merge of the symbol at i with its right neighbour, if there is one.
func (e *encoding) propose(i int32) {
	if m, ok := e.lookup(i); ok {
		e.queue.push(candidate(m.rank)<<32 | candidate(i))
	}
}

// merge carries a candidate out, unless its symbols have changed since it was queued.
func (e *encoding) merge(c candidate) {
	i := int32(uint32(c))
	m, ok := e.lookup(i)
	if !ok || m.rank != int32(c>>32) {
		return
	}
	s := &e.symbols[i]
	swallowed := &e.symbols[s.next]
	s.id, s.next = m.id, swallowed.next
	swallowed.id = -1
	if s.next >= 0 {
		e.symbols[s.next].prev = i
		e.propose(i)
	}
	if s.prev >= 0 {
		e.propose(s.prev)
	}
}

// spell returns text as tokenizer.json spells it, one stand-in for each byte.
func spell(text string) string {
	runes := make([]rune, len(text))
	for i := range len(text) {
		runes[i] = byteRunes[text[i]]
	}
	return string(runes)
}
