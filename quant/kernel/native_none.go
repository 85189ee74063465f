//go:build !cgo || !(amd64 || arm64)

package kernel

// native lists no versions: this build has the definition only.
func native() []*Set { return nil }
