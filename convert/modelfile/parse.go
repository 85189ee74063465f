package modelfile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// ErrModelfile is wrapped by every refusal of a Modelfile; its text names the line.
var ErrModelfile = errors.New("bad Modelfile")

const (
	// MaxBytes is how long a Modelfile may be: room for any licence, and no more than a manifest is worth.
	MaxBytes = 4 << 20
	// maxCommands bounds the layers that one can ask for.
	maxCommands = 1000
)

// Command is one command of a Modelfile.
type Command struct {
	Name string // in lower case
	Key  string // of a PARAMETER, the role of a MESSAGE
	Args string // without its quotes
	Line int    // from 1
}

// names are the commands that Ollama knows.
var names = []string{"from", "license", "template", "system", "adapter", "draft", "renderer", "parser", "parameter", "message", "requires"}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

// roles are those of a MESSAGE.
var roles = []string{"system", "user", "assistant"}

// Refuse makes an error of a line.
func Refuse(line int, format string, args ...any) error {
	return fmt.Errorf("%w, line %d: "+format, append([]any{ErrModelfile, line}, args...)...)
}

// Parse reads the commands. A command is a word at the beginning of a line, in any case, and after spaces a
// value: the rest of the line, or all between quotes, "…" or """…""", also over several lines. Lines that
// begin with # are comments. Text is UTF-8, or UTF-16 where it begins with a mark that says so.
func Parse(b []byte) ([]Command, error) {
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrModelfile, MaxBytes)
	}
	text, _, err := transform.Bytes(unicode.BOMOverride(unicode.UTF8.NewDecoder()), b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModelfile, err)
	}
	p := parser{rest: string(text), line: 1}
	var commands []Command
	for p.skip() {
		c, err := p.command()
		if err != nil {
			return nil, err
		}
		if commands = append(commands, c); len(commands) > maxCommands {
			return nil, Refuse(c.Line, "it has more than %d commands", maxCommands)
		}
	}
	return commands, nil
}

// parser is at the beginning of what is not read yet.
type parser struct {
	rest string
	line int
}

func isSpace(r rune) bool   { return r == ' ' || r == '\t' }
func isNewline(r rune) bool { return r == '\n' || r == '\r' }

// skip goes to the next command, over empty lines and comments, and says whether there is one.
func (p *parser) skip() bool {
	for {
		p.advance(len(p.rest) - len(strings.TrimLeft(p.rest, " \t\r\n")))
		if !strings.HasPrefix(p.rest, "#") {
			return p.rest != ""
		}
		p.advance(p.lineEnd())
	}
}

// advance goes on by n bytes.
func (p *parser) advance(n int) {
	p.line += strings.Count(p.rest[:n], "\n")
	p.rest = p.rest[n:]
}

// lineEnd is how many bytes there are to the end of the line.
func (p *parser) lineEnd() int {
	if i := strings.IndexFunc(p.rest, isNewline); i >= 0 {
		return i
	}
	return len(p.rest)
}

// word takes a word, and the spaces after it.
func (p *parser) word() string {
	end := strings.IndexFunc(p.rest, func(r rune) bool { return isSpace(r) || isNewline(r) })
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.advance(end)
	p.advance(len(p.rest) - len(strings.TrimLeftFunc(p.rest, isSpace)))
	return word
}

func (p *parser) command() (Command, error) {
	c := Command{Line: p.line}
	word := p.word()
	if c.Name = strings.ToLower(word); !slices.Contains(names, c.Name) {
		return c, Refuse(c.Line, "%.40q is no command; there are %s", word, strings.ToUpper(strings.Join(names, " ")))
	}
	if c.Name == "parameter" || c.Name == "message" {
		if c.Key = p.word(); c.Key == "" {
			return c, Refuse(c.Line, "%s is not followed by a word", strings.ToUpper(c.Name))
		}
	}
	if c.Name == "parameter" && strings.ContainsFunc(c.Key, func(r rune) bool { return !strings.ContainsRune(letters, r) }) {
		return c, Refuse(c.Line, "PARAMETER %.40q: a parameter is of letters, digits and _", c.Key)
	}
	if c.Name == "message" && !slices.Contains(roles, c.Key) {
		return c, Refuse(c.Line, "MESSAGE %.40q: a message is of system, user or assistant", c.Key)
	}
	var err error
	c.Args, err = p.value(c.Line)
	return c, err
}

// value takes the rest of the line, or all between quotes. What is no letter, sign or space is left out,
// but for the ends of lines within quotes.
func (p *parser) value(line int) (string, error) {
	for _, quote := range []string{`"""`, `"`} {
		inner, quoted := strings.CutPrefix(p.rest, quote)
		if !quoted {
			continue
		}
		end, ok := closing(inner, quote)
		if !ok {
			return "", Refuse(line, "the quotes %s are not closed", quote)
		}
		value := inner[:end]
		p.advance(len(quote) + end + len(quote))
		p.advance(p.lineEnd()) // spaces
		return printable(value), nil
	}
	end := p.lineEnd()
	value := strings.TrimRightFunc(p.rest[:end], isSpace)
	p.advance(end)
	if value == "" {
		return "", Refuse(line, "the command says nothing")
	}
	return printable(value), nil
}

// closing finds the quotes with which a line ends, spaces aside.
func closing(text, quote string) (at int, found bool) {
	for from := 0; ; {
		i := strings.Index(text[from:], quote)
		if i < 0 {
			return 0, false
		}
		at = from + i
		after := strings.TrimLeftFunc(text[at+len(quote):], isSpace)
		if after == "" || isNewline(rune(after[0])) {
			return at, true
		}
		from = at + 1
	}
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) || isSpace(r) || isNewline(r) {
			return r
		}
		return -1
	}, s)
}
