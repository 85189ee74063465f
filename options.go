package qimport

import (
	"errors"
	"fmt"

	"qimport/verify/report"
)

// ErrOptions marks options that cannot be carried out as they are: the caller's to correct.
var ErrOptions = errors.New("wrong options")

// optionsError is one such; its text needs no prefix.
type optionsError struct{ error }

func (e optionsError) Unwrap() []error { return []error{ErrOptions, e.error} }

func optionsf(format string, args ...any) error { return optionsError{fmt.Errorf(format, args...)} }

// verifyNone asks for no verification; so does a level that was left out.
const verifyNone = report.None
