package quant

import "encoding/binary"

// This file reads GPTQ's codes in planes, whose bits do not run on from word to word: of 32 codes, the low
// bits of all fill the first words, the next bits of all the words after them, and so on, least significant
// first in each. As a stream they would take as many words.

// plane is so many bits of every code, from bit shift of it on.
type plane struct{ width, shift int }

// planesOf are the planes of codes of so many bits, in the order of their words; nil where there is one
// plane alone, which is a stream.
func planesOf(bits int) []plane {
	switch bits {
	case 3:
		return []plane{{2, 0}, {1, 2}}
	case 5:
		return []plane{{4, 0}, {1, 4}}
	case 6:
		return []plane{{4, 0}, {2, 4}}
	case 7:
		return []plane{{4, 0}, {2, 4}, {1, 6}}
	}
	return nil
}

// planeCode is element i of codes in planes, whose words lie apart words from each other: the definition.
func planeCode(data []byte, apart, bits, i int) (code uint32) {
	first := i / 32 * bits // word of the plane
	for _, p := range planesOf(bits) {
		at := i % 32 * p.width
		word := binary.LittleEndian.Uint32(data[4*(first+at/32)*apart:])
		code |= word >> (at % 32) & (1<<p.width - 1) << p.shift
		first += p.width
	}
	return code
}

// planesToRows packs codes in planes row by row, 32 at a time.
func planesToRows(dst, data []byte, from, to int, c columnLayout, row, run int) {
	size, codes, planes := c.cols*to/8, make([]byte, c.cols), planesOf(from)
	for r := range run {
		for block := range c.cols / 32 {
			of := codes[32*block:][:32]
			clear(of)
			first := block * from
			for _, p := range planes {
				for w := range p.width {
					word := binary.LittleEndian.Uint32(data[4*((first+w)*c.rows+row+r):])
					each := of[32/p.width*w:][:32/p.width]
					for i := range each {
						each[i] |= byte(word & (1<<p.width - 1) << p.shift)
						word >>= p.width
					}
				}
				first += p.width
			}
		}
		packCodes(dst[r*size:(r+1)*size], codes, to)
	}
}
