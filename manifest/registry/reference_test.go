package registry

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"qimport/manifest"
)

func TestParseReference(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0a", 32)
	for s, want := range map[string]string{
		"localhost:5000/a":                 "localhost:5000/a:latest",
		"registry.example.org/team/a:v1":   "registry.example.org/team/a:v1",
		"registry.example.org/a@" + digest: "registry.example.org/a@" + digest,
		"[::1]:5000/a:b":                   "[::1]:5000/a:b",
		"host/a:v1@" + digest:              "host/a@" + digest,
	} {
		if r, err := ParseReference(s); err != nil || r.String() != want {
			t.Errorf("%s: %s, %v", s, r, err)
		}
	}
	for _, s := range []string{
		"", "a", "/a", "host/", "host/A", "host/../a", "host/a:", "host/a:b:c", "host/a:b c", "host/a@sha512:" + strings.Repeat("0", 128), "host/a@sha256:1",
		"https://host/a", "user:pass@host/a", "host\x1b[31m/a", "ho st/a", "hóst/a", "host/a\n", "host/" + strings.Repeat("a/", 600) + "a", "host:port/a/:b", "host?x/a",
	} {
		if r, err := ParseReference(s); !errors.Is(err, ErrReference) {
			t.Errorf("%q is taken as %s, %v", s, r, err)
		}
	}
}

func FuzzParseReference(f *testing.F) {
	f.Add("localhost:5000/team/a:v1")
	f.Add("host/a@sha256:" + strings.Repeat("0", 64))
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseReference(s)
		if err != nil {
			if !errors.Is(err, ErrReference) {
				t.Fatalf("refused without saying so: %v", err)
			}
			return
		}
		if again, err := ParseReference(r.String()); err != nil || again != r {
			t.Fatalf("%q: %s comes back as %s, %v", s, r, again, err)
		}
	})
}

// FuzzManifest: whatever a registry sends as a manifest is refused as such, or is one that can be packed
// and told to be so.
func FuzzManifest(f *testing.F) {
	layer := manifest.Layer{MediaType: manifest.MediaTypeTensor, Digest: manifest.DigestOf(nil), Name: "a"}
	good := manifest.New(layer, []manifest.Layer{layer}).Encode()
	f.Add(good)
	pack, _, _ := Pack(manifest.Name{Model: "a"}, good, manifest.New(layer, []manifest.Layer{layer}), manifest.Config{})
	f.Add(pack)
	f.Fuzz(func(t *testing.T, b []byte) {
		typeOf("text/plain", b)
		packed(b)
		m, err := manifest.Parse(b)
		if err != nil || checkModel(Reference{}, m) != nil {
			return
		}
		pack, _, err := Pack(manifest.Name{Model: "a"}, b, m, manifest.Config{})
		if err != nil || !json.Valid(pack) {
			t.Fatalf("%v: %s", err, pack)
		}
		if inner, ok := packed(pack); !ok || inner.Digest.String() != manifest.DigestOf(b).String() {
			t.Fatalf("%s comes back as %v", b, inner)
		}
	})
}
