package qimport

import "testing"

// changedNow is told by nothing here.
func changedNow(*testing.T, string) string { return "0" }
