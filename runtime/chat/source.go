package chat

import (
	"regexp"
	"strings"
)

// tags matches every tag of a template: comments, raw blocks, expressions and statements.
// Quoted strings in the latter two may contain what looks like an end.
func tags() *regexp.Regexp {
	const inside = `(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^'"])*?`
	return regexp.MustCompile(`(?s)\{#.*?#\}` +
		`|\{%[-+]?\s*raw\s*[-+]?%\}.*?\{%[-+]?\s*endraw\s*[-+]?%\}` +
		`|\{\{` + inside + `\}\}` +
		`|\{%` + inside + `%\}`)
}

// stripBlocks does lstrip_blocks: spaces and tabs go that stand between the start of a line and
// a statement or comment. gonja's own removes them after an expression on the same line, too.
func stripBlocks(source string) string {
	var out strings.Builder
	written := 0
	for _, span := range tags().FindAllStringIndex(source, -1) {
		start := span[0]
		if kind, control := source[start+1], source[start+2]; kind == '{' || control == '-' || control == '+' {
			continue
		}
		line := strings.LastIndexByte(source[:start], '\n') + 1
		if line >= written && strings.Trim(source[line:start], " \t") == "" {
			out.WriteString(source[written:line])
			written = start
		}
	}
	out.WriteString(source[written:])
	return out.String()
}
