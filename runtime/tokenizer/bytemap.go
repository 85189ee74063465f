package tokenizer

// byteRunes holds the printable stand-in of each byte: bytes that print as themselves keep their
// code point, the other 68 take U+0100 and up in ascending order, so a space is Ġ (U+0120).
var byteRunes = makeByteRunes()

// printable reports whether a byte stands for itself in tokenizer.json.
func printable(b int) bool {
	return 0x21 <= b && b <= 0x7e || 0xa1 <= b && b <= 0xac || 0xae <= b && b <= 0xff
}

func makeByteRunes() (runes [256]rune) {
	next := rune(0x100)
	for b := range runes {
		runes[b] = rune(b)
		if !printable(b) {
			runes[b] = next
			next++
		}
	}
	return runes
}

// runeBytes is the inverse of byteRunes; -1 where a code point stands for no byte.
var runeBytes = makeRuneBytes()

func makeRuneBytes() (bytes [0x144]int16) {
	for r := range bytes {
		bytes[r] = -1
	}
	for b, r := range byteRunes {
		bytes[r] = int16(b)
	}
	return bytes
}

// appendTokenBytes appends the bytes that an ordinary token stands for. A code point that stands
// for no byte is taken literally.
func appendTokenBytes(dst []byte, token string) []byte {
	for _, r := range token {
		if int(r) < len(runeBytes) && runeBytes[r] >= 0 {
			dst = append(dst, byte(runeBytes[r]))
		} else {
			dst = append(dst, string(r)...)
		}
	}
	return dst
}
