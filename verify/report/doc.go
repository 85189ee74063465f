// Package report owns the verdict on a model as plain data: checks with numbers and limits, what was
// compared and what it all was run on; and the forms it is written in, for a terminal, as JSON, JUnit,
// HTML and Markdown.
//
// It must not know how anything is measured.
package report
