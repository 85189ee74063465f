package chat

import (
	"fmt"
	"strings"
	"time"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// clock returns the function strftime_now(format), telling now or, if that is zero, the present.
func clock(now time.Time) function {
	return func(a *exec.VarArgs, _ *exec.Value) *exec.Value {
		format, err := stringArgument(a, 0, "format")
		if err == nil && len(format) > maxWidth {
			err = fmt.Errorf("a format of more than %d bytes", maxWidth)
		}
		if err != nil {
			return exec.AsValue(fmt.Errorf("strftime_now: %w", err))
		}
		t := now
		if t.IsZero() {
			t = time.Now()
		}
		text, err := strftime(t, format)
		if err != nil {
			return exec.AsValue(err)
		}
		return stringValue(text)
	}
}

// strftime formats t by the directives of C's strftime, in English.
func strftime(t time.Time, format string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			out.WriteByte(format[i])
			continue
		}
		i++
		switch layout := strftimeLayout(format[i]); {
		case layout != "":
			out.WriteString(t.Format(layout))
		case format[i] == 'j':
			fmt.Fprintf(&out, "%03d", t.YearDay())
		case format[i] == '%':
			out.WriteByte('%')
		default:
			return "", fmt.Errorf("strftime_now: unknown directive %%%c", format[i])
		}
	}
	return out.String(), nil
}

// strftimeLayout returns Go's layout for a directive that has one.
func strftimeLayout(directive byte) string {
	switch directive {
	case 'Y':
		return "2006"
	case 'y':
		return "06"
	case 'm':
		return "01"
	case 'B':
		return "January"
	case 'b', 'h':
		return "Jan"
	case 'd':
		return "02"
	case 'e':
		return "_2"
	case 'A':
		return "Monday"
	case 'a':
		return "Mon"
	case 'H':
		return "15"
	case 'I':
		return "03"
	case 'M':
		return "04"
	case 'S':
		return "05"
	case 'f':
		return "000000"
	case 'p':
		return "PM"
	case 'Z':
		return "MST"
	case 'z':
		return "-0700"
	case 'F':
		return "2006-01-02"
	case 'T':
		return "15:04:05"
	}
	return ""
}
