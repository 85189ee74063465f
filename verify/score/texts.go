package score

import (
	"encoding/binary"
	"fmt"
	"slices"

	"qimport/manifest"
)

// Texts are the token ids of what is read: of one text or of several, each counted from 0.
type Texts [][]int

// tokens is how many there are in all.
func (x Texts) tokens() int {
	n := 0
	for _, ids := range x {
		n += len(ids)
	}
	return n
}

// joined is the tokens of all texts, one after the other.
func (x Texts) joined() []int { return slices.Concat(x...) }

// Lengths are the numbers of tokens of each.
func (x Texts) Lengths() []int {
	lengths := make([]int, len(x))
	for i, ids := range x {
		lengths[i] = len(ids)
	}
	return lengths
}

// Contexts are the tokens that another one follows: of each text all but the last.
func (x Texts) Contexts() [][]int {
	contexts := make([][]int, len(x))
	for i, ids := range x {
		contexts[i] = ids[:len(ids)-1]
	}
	return contexts
}

// Positions is how many tokens are predicted.
func (x Texts) Positions() int { return x.tokens() - len(x) }

// Row is where the prediction after token i of a text stands among those of all texts.
func (x Texts) Row(text, i int) int { return x[:text].Positions() + i }

// Digest identifies the texts by their token ids: the SHA-256 of those of one as little-endian
// 32-bit words. Of several, -1, which is no token, their number and their lengths come first.
func (x Texts) Digest() string {
	words := x.joined()
	if len(x) > 1 {
		words = slices.Concat([]int{-1, len(x)}, x.Lengths(), words)
	}
	return manifest.DigestOf(encodeIDs(words)).String()
}

// Equal says whether both are the same tokens, cut in the same places.
func (x Texts) Equal(y Texts) bool { return slices.EqualFunc(x, y, slices.Equal[[]int]) }

// Size tells how much there is to read, for people.
func (x Texts) Size() string {
	if len(x) == 1 {
		return fmt.Sprintf("%d tokens", x.tokens())
	}
	return fmt.Sprintf("%d tokens in %d texts", x.tokens(), len(x))
}

// Difference tells where two that are not equal differ first.
func (x Texts) Difference(theirs Texts) string {
	if len(x) != len(theirs) {
		return fmt.Sprintf("the number of texts is %d, there %d", len(x), len(theirs))
	}
	at := 0
	for at < len(x)-1 && slices.Equal(x[at], theirs[at]) {
		at++
	}
	found := firstDifference(x[at], theirs[at])
	if len(x) > 1 {
		found = fmt.Sprintf("in text %d, %s", at+1, found)
	}
	return found
}

// firstDifference is where two texts that are not equal differ first.
func firstDifference(ours, theirs []int) string {
	for i := range min(len(ours), len(theirs)) {
		if ours[i] != theirs[i] {
			return fmt.Sprintf("token %d is %d, there %d", i, ours[i], theirs[i])
		}
	}
	return fmt.Sprintf("%d tokens, there %d", len(ours), len(theirs))
}

// encodeIDs is the ids as little-endian 32-bit words.
func encodeIDs(ids []int) []byte {
	b := make([]byte, 4*len(ids))
	for i, id := range ids {
		binary.LittleEndian.PutUint32(b[4*i:], uint32(id))
	}
	return b
}

// decodeIDs is the ids of such words.
func decodeIDs(b []byte) []int {
	ids := make([]int, len(b)/4)
	for i := range ids {
		ids[i] = int(int32(binary.LittleEndian.Uint32(b[4*i:])))
	}
	return ids
}
