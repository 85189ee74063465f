package chat

import "strings"

// tag is a tag of a template, source[start:end] with its braces: a comment, an expression, a
// statement, or a whole raw block.
type tag struct{ start, end int }

// tags finds the tags of a template, in one pass. Quoted text in expressions and statements may
// contain what looks like an end. A tag without an end ends the search: the lexer refuses it.
func tags(source string) []tag {
	var found []tag
	for i := 0; ; {
		brace := strings.IndexByte(source[i:], '{')
		if brace < 0 || i+brace+1 == len(source) {
			return found
		}
		start := i + brace
		if !strings.ContainsRune("#{%", rune(source[start+1])) {
			i = start + 1
			continue
		}
		end := tagEnd(source, start)
		if end < 0 {
			return found
		}
		if source[start+1] == '%' && tagName(source[start+2:end]) == "raw" {
			end = rawEnd(source, end)
		}
		found = append(found, tag{start, end})
		i = end
	}
}

// tagEnd is where the tag ends that begins at start, or -1.
func tagEnd(source string, start int) int {
	if source[start+1] == '#' {
		end := strings.Index(source[start+2:], "#}")
		if end < 0 {
			return -1
		}
		return start + 2 + end + 2
	}
	closing := "}}"
	if source[start+1] == '%' {
		closing = "%}"
	}
	braces := 0
	for i := start + 2; i < len(source); i++ {
		switch c := source[i]; c {
		case '\'', '"':
			if i = quoteEnd(source, i); i < 0 {
				return -1
			}
		case '{':
			braces++
		case '}', '%':
			if (c == '%' || braces <= 0) && strings.HasPrefix(source[i:], closing) {
				return i + 2
			}
			if c == '}' {
				braces--
			}
		}
	}
	return -1
}

// quoteEnd is where the quoted text that begins at i ends, as the lexer has it, or -1.
func quoteEnd(source string, i int) int {
	for j := i + 1; j < len(source); j++ {
		if source[j] == source[i] && source[j-1] != '\\' {
			return j
		}
	}
	return -1
}

// tagName is the first word of a statement.
func tagName(inside string) string {
	inside = strings.TrimLeft(strings.TrimLeft(inside, "-+"), " \t\r\n")
	end := strings.IndexFunc(inside, func(r rune) bool { return r < 'a' || r > 'z' })
	if end < 0 {
		return inside
	}
	return inside[:end]
}

// rawEnd is where the raw block ends whose first tag ends at i.
func rawEnd(source string, i int) int {
	for at := i; ; {
		next := strings.Index(source[at:], "{%")
		if next < 0 {
			return len(source)
		}
		at += next + 2
		if end := strings.Index(source[at:], "%}"); end < 0 {
			return len(source)
		} else if tagName(source[at:at+end]) == "endraw" {
			return at + end + 2
		}
	}
}

// stripBlocks does lstrip_blocks: spaces and tabs go that stand between the start of a line and
// a statement or comment. gonja's own removes them after an expression on the same line, too.
func stripBlocks(source string) string {
	var out strings.Builder
	written := 0
	for _, t := range tags(source) {
		if kind, control := source[t.start+1], source[t.start+2]; kind == '{' || control == '-' || control == '+' {
			continue
		}
		start := t.start
		for start > written && (source[start-1] == ' ' || source[start-1] == '\t') {
			start--
		}
		if start == 0 || source[start-1] == '\n' {
			out.WriteString(source[written:start])
			written = t.start
		}
	}
	out.WriteString(source[written:])
	return out.String()
}
