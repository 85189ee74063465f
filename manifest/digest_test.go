package manifest

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
)

func TestParseDigest(t *testing.T) {
	hex := strings.Repeat("0123456789abcdef", 4)
	for _, c := range []struct {
		in string
		ok bool
	}{
		{"sha256:" + hex, true},
		{"sha256-" + hex, true},
		{"sha256:" + strings.ToUpper(hex), true},
		{"", false},
		{"sha256:", false},
		{hex, false},
		{"sha256_" + hex, false},
		{"SHA256:" + hex, false},
		{"sha512:" + hex, false},
		{"sha256:" + hex[1:], false},
		{"sha256:" + hex + "0", false},
		{"sha256:" + hex[:63] + "g", false},
		{"sha256:../../" + hex[6:], false},
		{" sha256:" + hex, false},
	} {
		d, err := ParseDigest(c.in)
		if c.ok && (err != nil || d.String() != "sha256:"+hex || d.FileName() != "sha256-"+hex) {
			t.Errorf("ParseDigest(%q) = %v, %v", c.in, d, err)
		}
		if !c.ok && !errors.Is(err, ErrBadDigest) {
			t.Errorf("ParseDigest(%q) = %v, %v, want ErrBadDigest", c.in, d, err)
		}
	}
	if d := DigestOf([]byte("abc")); d.String() != "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("DigestOf(abc) = %s", d) // the example of FIPS 180-2
	}
}

func FuzzParseDigest(f *testing.F) {
	f.Add("sha256:" + strings.Repeat("a", 2*sha256.Size))
	f.Add("sha256-" + strings.Repeat("F", 2*sha256.Size))
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDigest(s)
		if err != nil {
			if !errors.Is(err, ErrBadDigest) {
				t.Fatalf("rejected without saying so: %v", err)
			}
			return
		}
		if again, err := ParseDigest(d.FileName()); err != nil || again != d {
			t.Fatalf("%q: accepted a digest it cannot write back: %v", s, err)
		}
	})
}
