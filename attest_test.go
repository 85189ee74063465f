package qimport

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"qimport/manifest"
	"qimport/verify"
	"qimport/verify/attest"
	"qimport/verify/report"
)

// signingKey is a new key, in both halves.
func signingKey(t *testing.T) (private, public *attest.Key) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	if private, err = attest.ParsePrivate(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil); err != nil {
		t.Fatal(err)
	}
	if der, err = x509.MarshalPKIXPublicKey(k.Public()); err != nil {
		t.Fatal(err)
	}
	if public, err = attest.ParsePublic(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})); err != nil {
		t.Fatal(err)
	}
	return private, public
}

// signedImport is a model in a store, signed by a key.
func signedImport(t *testing.T, key *attest.Key) (*manifest.Store, manifest.Entry) {
	t.Helper()
	store, err := manifest.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return store, imported(t, store, ImportOptions{
		Source: "testdata/qwen3.5-bf16", Name: "m:signed", Checks: verify.Options{Level: report.Blobs}, Attest: key,
	})
}

// refusals are the names of what an answer says no to.
func refusals(v AttestationVerdict) string {
	var no []string
	for _, d := range v.Checks {
		if !d.Passed {
			no = append(no, d.Name)
		}
	}
	return strings.Join(no, " ")
}

// TestForgedStatements: whatever somebody does who can write to the store and has no key is a no or an
// error, but for taking statements away and for putting old ones back.
func TestForgedStatements(t *testing.T) {
	ours, public := signingKey(t)
	theirs, _ := signingKey(t)
	store, e := signedImport(t, ours)
	path := store.AttestationsPath(e.Digest)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(good), "\n"), "\n")
	provenance, test := lines[0], lines[1]
	if _, err := Attest(t.Context(), store, e.Name, AttestOptions{Key: theirs}); err != nil {
		t.Fatal(err)
	}
	both, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := attest.ParsePolicy("level=blobs,source=qwen3.5-bf16")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ what, content, refuses string }{
		{"as it was signed", string(good), ""}, {"with another's beside it", string(both), ""},
		{"another's alone", strings.TrimPrefix(string(both), string(good)), "signature"},
		{"nothing", "", "signature"}, {"without the provenance", test, "source"}, {"without the test result", provenance, "signature"},
		{"our signature on their payload", swapSignatures(t, string(good)), "signature"},
		{"the other statement's type", strings.Replace(string(good), `"payloadType":"application/vnd.in-toto+json"`, `"payloadType":"application/json"`, 1), "error"},
		{"cut", string(good[:len(good)/2]), "error"},
	} {
		if err := os.WriteFile(path, []byte(c.content), 0o644); err != nil {
			t.Fatal(err)
		}
		v, err := CheckAttestation(t.Context(), store, e.Name, AttestationOptions{Keys: []*attest.Key{public}, Policy: policy})
		got := refusals(v)
		if err != nil {
			got = "error"
		}
		if got != c.refuses || v.Passed != (c.refuses == "") {
			t.Errorf("%s: refused for %q, want %q: %+v, %v", c.what, got, c.refuses, v, err)
		}
	}
}

// swapSignatures gives each of two envelopes the signature of the other.
func swapSignatures(t *testing.T, lines string) string {
	t.Helper()
	all, err := attest.ParseEnvelopes([]byte(lines))
	if err != nil {
		t.Fatal(err)
	}
	all[0].Signatures, all[1].Signatures = all[1].Signatures, all[0].Signatures
	b, err := attest.EncodeEnvelopes(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestStatementsOfAnotherModel: moved beside another manifest they are damage to check, and a no.
func TestStatementsOfAnotherModel(t *testing.T) {
	ours, public := signingKey(t)
	store, e := signedImport(t, ours)
	other := imported(t, store, ImportOptions{Source: "testdata/qwen3.5-moe-4bit", Name: "m:other", Checks: verify.Options{Level: report.None}})
	b, err := os.ReadFile(store.AttestationsPath(e.Digest))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(store.AttestationsPath(other.Digest), b, 0o644); err != nil {
		t.Fatal(err)
	}
	v, err := CheckAttestation(t.Context(), store, other.Name, AttestationOptions{Keys: []*attest.Key{public}})
	if err != nil || v.Passed || refusals(v) != "signature" {
		t.Errorf("%+v, %v", v, err)
	}
	r, err := Check(t.Context(), store, nil)
	if err != nil || len(r.Damage) != 1 || !slices.Equal(r.Damage[0].Names, []manifest.Name{other.Name}) || r.Statements != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestDamagedBlobsOfASignedModel: a flipped byte is found where blobs are read, a missing one in any case.
func TestDamagedBlobsOfASignedModel(t *testing.T) {
	ours, public := signingKey(t)
	store, e := signedImport(t, ours)
	check := func(read bool) AttestationVerdict {
		v, err := CheckAttestation(t.Context(), store, e.Name, AttestationOptions{Keys: []*attest.Key{public}, Read: read})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	path := store.Blob(e.Manifest.Layers[0].Digest)
	flip(t, path)
	if v := check(true); refusals(v) != "blobs" {
		t.Errorf("flipped: %+v", v)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if v := check(false); refusals(v) != "blobs" {
		t.Errorf("gone: %+v", v)
	}
}

// TestAttestAgain: a verdict that says no is signed as one, and takes the place of what was signed before;
// one that does not answer for the manifest is not signed.
func TestAttestAgain(t *testing.T) {
	ours, public := signingKey(t)
	store, e := signedImport(t, ours)
	kept, err := KeptVerdict(store, e.Digest)
	if err != nil {
		t.Fatal(err)
	}
	kept.Passed, kept.Checks[0].Passed = false, report.Failed
	if err := keepVerdict(store, e.Digest, kept); err != nil {
		t.Fatal(err)
	}
	o := AttestationOptions{Keys: []*attest.Key{public}}
	if v, err := CheckAttestation(t.Context(), store, e.Name, o); err != nil || !v.Passed || len(v.Notes) != 1 {
		t.Errorf("another report: %+v, %v", v, err)
	}
	if r, err := Attest(t.Context(), store, e.Name, AttestOptions{Key: ours}); err != nil || r.Passed {
		t.Errorf("%+v, %v", r, err)
	}
	if v, err := CheckAttestation(t.Context(), store, e.Name, o); err != nil || refusals(v) != "result" || len(v.Notes) != 0 {
		t.Errorf("%+v, %v", v, err)
	}
	kept.Provenance.Verifier--
	if err := keepVerdict(store, e.Digest, kept); err != nil {
		t.Fatal(err)
	}
	if _, err := Attest(t.Context(), store, e.Name, AttestOptions{Key: ours}); err == nil || !strings.Contains(err.Error(), "does not answer for it") {
		t.Errorf("a verdict of older checks: %v", err)
	}
	if _, err := Attest(t.Context(), store, e.Name, AttestOptions{Key: ours, Out: t.TempDir()}); err == nil {
		t.Error("a folder was written to")
	}
}

// TestManySign: none's statements are lost where all sign at once.
func TestManySign(t *testing.T) {
	first, _ := signingKey(t)
	store, e := signedImport(t, first)
	var g errgroup.Group
	var publics []*attest.Key
	for range 6 {
		private, public := signingKey(t)
		publics = append(publics, public)
		out := filepath.Join(t.TempDir(), "out")
		g.Go(func() error {
			_, err := Attest(t.Context(), store, e.Name, AttestOptions{Key: private, Out: out})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, k := range publics {
		if v, err := CheckAttestation(t.Context(), store, e.Name, AttestationOptions{Keys: []*attest.Key{k}}); err != nil || !v.Passed || v.Key != k.ID {
			t.Errorf("%+v, %v", v, err)
		}
	}
	if s, err := Show(store, e.Name); err != nil || len(s.Statements) != 14 {
		t.Errorf("%d statements, %v", len(s.Statements), err)
	}
}
