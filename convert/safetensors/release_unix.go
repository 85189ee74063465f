//go:build linux || darwin

package safetensors

import "golang.org/x/sys/unix"

// dontNeed drops whole pages of a read-only file map from the process. It is advice: what the
// kernel answers changes nothing for the caller.
func dontNeed(pages []byte) { _ = unix.Madvise(pages, unix.MADV_DONTNEED) }

// willNeed asks for pages to be read from disk meanwhile: advice, too.
func willNeed(pages []byte) { _ = unix.Madvise(pages, unix.MADV_WILLNEED) }
