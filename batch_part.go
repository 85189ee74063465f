package qimport

import (
	"regexp"
	"strconv"
)

var portion = regexp.MustCompile(`^([0-9]{1,6})/([0-9]{1,6})$`)

// BatchPart is the part I/N of a batch: entries that stand next to each other, so that those of one source
// stay together. Parts differ by one entry at most. "" is all of them.
func BatchPart(entries []BatchEntry, part string) ([]BatchEntry, error) {
	if part == "" {
		return entries, nil
	}
	m := portion.FindStringSubmatch(part)
	if m == nil {
		return nil, optionsf("--part %s: it is I/N, such as 1/8", part)
	}
	i, _ := strconv.Atoi(m[1]) // digits, few enough
	n, _ := strconv.Atoi(m[2])
	if i < 1 || i > n {
		return nil, optionsf("--part %s: parts are counted from 1 to %d", part, n)
	}
	return entries[(i-1)*len(entries)/n : i*len(entries)/n], nil
}
