package attest

import (
	"crypto"
	"crypto/elliptic"
	"fmt"
	"testing"
)

// BenchmarkSign makes and signs both statements of a model.
func BenchmarkSign(b *testing.B) {
	for _, blobs := range []int{400, 4000} {
		m := judged(blobs)
		for name, k := range keys(b) {
			private, _ := pair(b, k)
			b.Run(fmt.Sprintf("%s/%d-blobs", name, blobs), func(b *testing.B) {
				for b.Loop() {
					payloads, err := Statements(m)
					if err != nil {
						b.Fatal(err)
					}
					for _, p := range payloads {
						if _, err := private.Sign(b.Context(), p); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}

// BenchmarkCheck reads the envelopes of both statements, checks their signatures, and holds them to the
// manifest.
func BenchmarkCheck(b *testing.B) {
	for _, blobs := range []int{400, 4000} {
		m := judged(blobs)
		for name, k := range keys(b) {
			private, public := pair(b, k)
			lines := signedLines(b, private, m)
			b.Run(fmt.Sprintf("%s/%d-blobs", name, blobs), func(b *testing.B) {
				for b.Loop() {
					all, err := ParseEnvelopes(lines)
					if err != nil {
						b.Fatal(err)
					}
					for _, e := range all {
						s, err := e.Statement()
						if err != nil || !public.Signed(b.Context(), e) || len(s.Lacks(m.Digest, m.Manifest.Blobs())) > 0 {
							b.Fatal("not signed", err)
						}
					}
				}
			})
		}
	}
}

func keys(b *testing.B) map[string]crypto.Signer {
	return map[string]crypto.Signer{"ed25519": ed(), "P-256": ec(b, elliptic.P256())}
}

func signedLines(b testing.TB, private *Key, m Model) []byte {
	payloads, err := Statements(m)
	if err != nil {
		b.Fatal(err)
	}
	var all []Envelope
	for _, p := range payloads {
		e, err := private.Sign(b.Context(), p)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, e)
	}
	lines, err := EncodeEnvelopes(all)
	if err != nil {
		b.Fatal(err)
	}
	return lines
}
