package attest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"testing"
)

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// FuzzEnvelopes: what is no envelope or no statement is refused as such; what is read can be written, and
// is signed by nobody who did not.
func FuzzEnvelopes(f *testing.F) {
	private, public := pair(f, ed())
	payloads, err := Statements(judged(1))
	if err != nil {
		f.Fatal(err)
	}
	signed, err := private.Sign(f.Context(), payloads[1])
	if err != nil {
		f.Fatal(err)
	}
	lines, err := EncodeEnvelopes([]Envelope{signed, signed})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(lines)
	f.Add([]byte(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"keyid":"a","sig":"AA=="}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := ParseEnvelopes(b)
		if err != nil {
			if !errors.Is(err, ErrEnvelope) {
				t.Fatalf("refused without saying so: %v", err)
			}
			return
		}
		again, err := EncodeEnvelopes(all)
		if err != nil {
			t.Fatal(err)
		}
		if read, err := ParseEnvelopes(again); err != nil || len(read) != len(all) {
			t.Fatalf("%d envelopes were written, %d read: %v", len(all), len(read), err)
		}
		for _, e := range all {
			if public.Signed(t.Context(), e) && !bytes.Equal(e.payload, payloads[1]) {
				t.Fatalf("nobody signed %q", e.payload)
			}
			s, err := e.Statement()
			if err != nil {
				if !errors.Is(err, ErrStatement) {
					t.Fatalf("refused without saying so: %v", err)
				}
				continue
			}
			if _, err := s.TestResult(); err != nil && !errors.Is(err, ErrStatement) {
				t.Fatal(err)
			}
			if _, err := s.Origin(); err != nil && !errors.Is(err, ErrStatement) {
				t.Fatal(err)
			}
		}
	})
}

// FuzzKey: what is no key is refused as such; what is one has a name.
func FuzzKey(f *testing.F) {
	f.Add(privatePEM(ed()))
	f.Add(publicPEM(ed()))
	golden, err := os.ReadFile("testdata/python.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range []func([]byte) (*Key, error){ParsePublic, func(b []byte) (*Key, error) { return ParsePrivate(b, nil) }} {
			k, err := parse(b)
			if err != nil && !errors.Is(err, ErrKey) {
				t.Fatalf("refused without saying so: %v", err)
			}
			if err == nil && k.ID == "" {
				t.Fatal("a key without a name")
			}
		}
	})
}

// FuzzPolicy: what is no policy is refused as such, and what is one answers.
func FuzzPolicy(f *testing.F) {
	f.Add("level=quality,max-kl=0.1,check=a,warnings=no,source=a/b,revision=c")
	r := result(f)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePolicy(text)
		if err != nil {
			if !errors.Is(err, ErrPolicy) {
				t.Fatal(err)
			}
			return
		}
		if len(p.Result(r)) == 0 {
			t.Fatal("nothing was asked")
		}
		p.Origin(nil)
	})
}
