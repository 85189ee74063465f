package attest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	statement "github.com/in-toto/attestation/go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	"google.golang.org/protobuf/encoding/protojson"

	"qimport/manifest"
	"qimport/verify/report"
)

// ed is the ed25519 key of the bytes 0 to 31, which oracle/attestation.py has too.
func ed() ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = byte(i)
	}
	return ed25519.NewKeyFromSeed(seed)
}

// ec is a new key on a curve.
func ec(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func pemOf(kind string, der []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func privatePEM(k crypto.Signer) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	return pemOf("PRIVATE KEY", der, err)
}

func publicPEM(k crypto.Signer) []byte {
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	return pemOf("PUBLIC KEY", der, err)
}

func sec1PEM(k *ecdsa.PrivateKey) []byte {
	der, err := x509.MarshalECPrivateKey(k)
	return pemOf("EC PRIVATE KEY", der, err)
}

// pair reads both halves of a key.
func pair(t testing.TB, k crypto.Signer) (private, public *Key) {
	t.Helper()
	private, err := ParsePrivate(privatePEM(k), nil)
	if err != nil {
		t.Fatal(err)
	}
	if public, err = ParsePublic(publicPEM(k)); err != nil {
		t.Fatal(err)
	}
	return private, public
}

// judged is a model of n blobs with a verdict.
func judged(n int) Model {
	value := 0.02
	m := Model{
		Name: "small:nvfp4", Kept: manifest.DigestOf([]byte("report")),
		Manifest: manifest.New(manifest.Layer{MediaType: manifest.MediaTypeConfig, Digest: manifest.DigestOf([]byte("config")), Size: 6}, nil),
		Report: report.Report{
			Schema: report.Schema, Level: report.Quality, Passed: true,
			Checks: []report.Check{
				{Name: "blobs.digests", Passed: report.Passed}, {Name: "smoke.answer.1", Passed: report.Passed, Warning: "look at it"},
				{Name: "quality.kl", Passed: report.Passed, Value: &value},
			},
			Environment: report.Environment{Versions: map[string]string{"qimport": "v1", "mlx": "0.32.2"}, Backend: "cpu", Platform: "linux/amd64"},
			Provenance: report.Provenance{
				Verifier: report.Version, Source: "org/name", Revision: strings.Repeat("a", 40), Rules: []string{"policy ollama, type nvfp4"},
				Files:    []report.SourceFile{{Name: "a.safetensors", Bytes: 1 << 40, HeaderSHA256: strings.Repeat("1", 64)}, {Name: "config.json", Bytes: 2, SHA256: strings.Repeat("2", 64)}},
				Adapters: []report.Adapter{{Name: "style", Maker: "PEFT", Scale: 0.5, SHA256: strings.Repeat("3", 64), Config: strings.Repeat("4", 64)}},
			},
		},
	}
	for i := range n {
		d := manifest.DigestOf(fmt.Append(nil, i))
		m.Manifest.Layers = append(m.Manifest.Layers, manifest.Layer{MediaType: manifest.MediaTypeTensor, Digest: d, Size: 1, Name: fmt.Sprint(i)})
	}
	m.Digest = m.Manifest.Digest()
	return m
}

func TestSignedAndRead(t *testing.T) {
	payloads, err := Statements(judged(3))
	if err != nil {
		t.Fatal(err)
	}
	_, other := pair(t, ec(t, elliptic.P256()))
	for name, k := range map[string]crypto.Signer{"ed25519": ed(), "P-256": ec(t, elliptic.P256()), "P-384": ec(t, elliptic.P384()), "P-521": ec(t, elliptic.P521())} {
		private, public := pair(t, k)
		if private.ID != public.ID || !strings.HasPrefix(public.ID, "SHA256:") {
			t.Errorf("%s: the halves are called %s and %s", name, private.ID, public.ID)
		}
		if _, err := public.Sign(t.Context(), payloads[0]); err == nil {
			t.Errorf("%s: a public key signed", name)
		}
		signed, err := private.Sign(t.Context(), payloads[0])
		if err != nil {
			t.Fatal(err)
		}
		lines, err := EncodeEnvelopes([]Envelope{signed})
		if err != nil {
			t.Fatal(err)
		}
		read, err := ParseEnvelopes(lines)
		if err != nil || len(read) != 1 {
			t.Fatalf("%s: %d envelopes, %v", name, len(read), err)
		}
		if !public.Signed(t.Context(), read[0]) || other.Signed(t.Context(), read[0]) {
			t.Errorf("%s: whose signature it is was not told", name)
		}
		renamed := read[0]
		renamed.Signatures = []dsse.Signature{{KeyID: "of another tool", Sig: read[0].Signatures[0].Sig}}
		if !public.Signed(t.Context(), renamed) {
			t.Errorf("%s: a name decided", name)
		}
		for at := 0; at < len(payloads[0]); at += 97 { // whatever is changed
			forged := read[0]
			changed := bytes.Clone(payloads[0])
			changed[at] ^= 1
			forged.Payload, forged.payload = base64Of(changed), changed
			if public.Signed(t.Context(), forged) {
				t.Fatalf("%s: byte %d was changed, and nobody noticed", name, at)
			}
		}
		forged := read[0]
		forged.PayloadType = "text/plain"
		if public.Signed(t.Context(), forged) {
			t.Errorf("%s: the payload's type was changed", name)
		}
	}
}

// TestPython: what in-toto's Python libraries signed is taken, and the same statement gets the same
// signature from the same key here.
func TestPython(t *testing.T) {
	b, err := os.ReadFile("testdata/python.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Payload string
		Signed  []struct {
			Key, Public string
			Envelope    json.RawMessage
		}
	}
	if err := json.Unmarshal(b, &golden); err != nil {
		t.Fatal(err)
	}
	private, _ := pair(t, ed())
	ours, err := private.Sign(t.Context(), []byte(golden.Payload))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range golden.Signed {
		var line bytes.Buffer
		if err := json.Compact(&line, c.Envelope); err != nil {
			t.Fatal(err)
		}
		all, err := ParseEnvelopes(line.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", c.Key, err)
		}
		public, err := ParsePublic([]byte(c.Public))
		if err != nil {
			t.Fatalf("%s: %v", c.Key, err)
		}
		if !public.Signed(t.Context(), all[0]) {
			t.Errorf("%s: not taken for signed", c.Key)
		}
		s, err := all[0].Statement()
		if err != nil || !s.Names(manifest.DigestOf(nil)) {
			t.Errorf("%s: %+v, %v", c.Key, s, err)
		}
		if r, err := s.TestResult(); err != nil || r.Result != ResultPassed || len(r.PassedTests) != 1 {
			t.Errorf("%s: %+v, %v", c.Key, r, err)
		}
		if c.Key == "ed25519" && (ours.Signatures[0].Sig != all[0].Signatures[0].Sig || ours.Payload != all[0].Payload) {
			t.Errorf("the same key signs otherwise: %s, %s", ours.Signatures[0].Sig, all[0].Signatures[0].Sig)
		}
	}
	if len(golden.Signed) != 3 {
		t.Errorf("%d keys", len(golden.Signed))
	}
}

func TestEncryptedKey(t *testing.T) {
	der, err := x509.MarshalPKCS8PrivateKey(ec(t, elliptic.P256()))
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"} {
		box, err := encrypted.Encrypt(der, []byte("secret"))
		file := pemOf(kind, box, err)
		if _, err := ParsePrivate(file, says("secret")); err != nil {
			t.Error(err)
		}
		for _, c := range []struct {
			password Password
			want     string
		}{
			{says("wrong"), "password may be wrong"}, {nil, "no password"},
			{func() ([]byte, error) { return nil, errors.New("nobody to ask") }, "nobody to ask"},
		} {
			if _, err := ParsePrivate(file, c.password); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		}
	}
}

func says(password string) Password { return func() ([]byte, error) { return []byte(password), nil } }

func TestKeysRefused(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve := ec(t, elliptic.P256())
	if _, err := ParsePrivate(append([]byte("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"), sec1PEM(curve)...), nil); err != nil {
		t.Errorf("as openssl ecparam writes it: %v", err)
	}
	small := ec(t, elliptic.P224())
	for _, c := range []struct {
		what  string
		parse func([]byte) (*Key, error)
		b     []byte
		want  string
	}{
		{"nothing", ParsePublic, nil, "no key in PEM form"},
		{"nonsense", ParsePublic, []byte("ssh-ed25519 AAAA"), "no key in PEM form"},
		{"public to sign", unlocked, publicPEM(curve), "only the private one can sign"},
		{"private to check", ParsePublic, privatePEM(curve), "openssl pkey"},
		{"RSA", ParsePublic, publicPEM(weak), "ed25519 and ecdsa are supported"},
		{"private RSA", unlocked, privatePEM(weak), "ed25519 and ecdsa are supported"},
		{"P-224", ParsePublic, publicPEM(small), "curve that is not supported"},
		{"certificate", ParsePublic, pemOf("CERTIFICATE", []byte("x"), nil), `"CERTIFICATE"`},
		{"another", unlocked, pemOf("OPENSSH PRIVATE KEY", []byte("x"), nil), `"OPENSSH PRIVATE KEY"`},
		{"PKCS #8 with password", unlocked, pemOf("ENCRYPTED PRIVATE KEY", []byte("x"), nil), "take the password off"},
		{"cut", unlocked, pemOf("PRIVATE KEY", []byte("x"), nil), "it is no key"},
		{"a box that is none", unlocked, pemOf("ENCRYPTED SIGSTORE PRIVATE KEY", []byte("{}"), nil), "cannot be decrypted"},
		{"a costly box", unlocked, pemOf("ENCRYPTED SIGSTORE PRIVATE KEY", []byte(`{"kdf":{"name":"scrypt","params":{"N":1073741824,"r":8,"p":1}},"cipher":{"name":"nacl/secretbox"}}`), nil), "cannot be decrypted"},
	} {
		if _, err := c.parse(c.b); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.what, err, c.want)
		}
	}
}

func unlocked(b []byte) (*Key, error) { return ParsePrivate(b, says("")) }

// TestStatements: in-toto's own library takes them, and the same model gives the same bytes.
func TestStatements(t *testing.T) {
	m := judged(2)
	payloads, err := Statements(m)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if again, err := Statements(m); err != nil || !bytes.Equal(again[0], payloads[0]) || !bytes.Equal(again[1], payloads[1]) {
			t.Fatal("the same model gives other bytes", err)
		}
	}
	for i, want := range []string{PredicateProvenance, PredicateTestResult} {
		var official statement.Statement
		if err := protojson.Unmarshal(payloads[i], &official); err != nil {
			t.Fatal(err)
		}
		if err := official.Validate(); err != nil || official.PredicateType != want || len(official.Subject) != 4 {
			t.Errorf("%s: %v", want, err)
		}
	}
	from, err := ParseStatement(payloads[0])
	if err != nil {
		t.Fatal(err)
	}
	if o, err := from.Origin(); err != nil || o.Source != "org/name" || len(o.Revision) != 40 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, said := range []string{`"pkg:huggingface/org/name@aaaa`, `"gitCommit"`, `"header_sha256"`, `"adapter style"`, `"policy ollama, type nvfp4"`, `"linux/amd64"`, `"mlx":"0.32.2"`} {
		if !strings.Contains(string(payloads[0]), said) {
			t.Errorf("the provenance does not say %s: %s", said, payloads[0])
		}
	}
	if _, err := from.TestResult(); !errors.Is(err, ErrStatement) {
		t.Errorf("a provenance as a test result: %v", err)
	}
	said, err := ParseStatement(payloads[1])
	if err != nil {
		t.Fatal(err)
	}
	r, err := said.TestResult()
	if v, ok := r.value("quality.kl"); err != nil || r.Result != ResultWarned || r.Level() != report.Quality || r.Report() != m.Kept.Hex() || !ok || v != 0.02 ||
		len(r.PassedTests) != 2 || len(r.WarnedTests) != 1 || len(r.FailedTests) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if missing := said.Lacks(manifest.DigestOf([]byte("another")), m.Manifest.Blobs()); len(missing) != 1 {
		t.Errorf("of another manifest it lacks %v", missing)
	}
}

// TestResultOfAVerdict: what could not run has failed.
func TestResultOfAVerdict(t *testing.T) {
	m := judged(0)
	m.Report.Passed = false
	m.Report.Checks = append(m.Report.Checks, report.Check{Name: "not.run"}, report.Check{Name: "said.no", Passed: report.Failed})
	r, err := testResultOf(m)
	if err != nil || r.Result != ResultFailed || strings.Join(r.FailedTests, " ") != "not.run said.no" {
		t.Errorf("%+v, %v", r, err)
	}
	m.Report.Provenance = report.Provenance{}
	if _, err := Statements(m); err == nil || !strings.Contains(err.Error(), "import it anew") {
		t.Errorf("nothing is known, and signed: %v", err)
	}
}

func TestReplace(t *testing.T) {
	first, _ := pair(t, ed())
	second, _ := pair(t, ec(t, elliptic.P256()))
	var all []Envelope
	for _, k := range []*Key{first, second, first} {
		var added []Envelope
		payloads, err := Statements(judged(1))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range payloads {
			e, err := k.Sign(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			added = append(added, e)
		}
		if all, err = Replace(t.Context(), all, added, k); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	for _, e := range all {
		ids = append(ids, e.KeyIDs()...)
	}
	if want := []string{second.ID, second.ID, first.ID, first.ID}; strings.Join(ids, " ") != strings.Join(want, " ") {
		t.Errorf("signed by %v, want %v", ids, want)
	}
}

// TestHostileEnvelopes: what is of the greatest size costs seconds, and memory of some times its size.
func TestHostileEnvelopes(t *testing.T) {
	_, public := pair(t, ed())
	most := MaxBytes
	if testing.Short() { // the race detector makes it ten times as slow
		most /= 16
	}
	start := time.Now()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for what, b := range map[string][]byte{
		"too long":  make([]byte, MaxBytes+1),
		"lines":     bytes.Repeat([]byte("{}\n"), most/3),
		"deep":      bytes.Repeat([]byte("["), most),
		"keys":      append([]byte(`{"payloadType":"application/vnd.in-toto+json","signatures":[`), append(bytes.Repeat([]byte(`{"sig":""},`), most/11-20), `{}]}`...)...),
		"unsigned":  []byte(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[]}`),
		"type":      []byte(`{"payloadType":"x","payload":"e30=","signatures":[{"sig":""}]}`),
		"signature": []byte(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"sig":"?"}]}`),
		"payload":   []byte(`{"payloadType":"application/vnd.in-toto+json","payload":"?","signatures":[{"sig":""}]}`),
	} {
		if _, err := ParseEnvelopes(b); !errors.Is(err, ErrEnvelope) || len(err.Error()) > 1000 {
			t.Errorf("%s: %v", what, err)
		}
	}
	subjects := []byte(`{"_type":"https://in-toto.io/Statement/v1","predicateType":"x","predicate":{},"subject":[` + strings.Repeat("{},", most/4) + `{}]}`)
	for what, b := range map[string][]byte{"subjects": subjects, "deep": bytes.Repeat([]byte(`{"predicate":`), most/16), "nothing": nil} {
		if _, err := ParseStatement(b); !errors.Is(err, ErrStatement) {
			t.Errorf("statement, %s: %v", what, err)
		}
	}
	lines := []byte(`{"payloadType":"application/vnd.in-toto+json","payload":"` + strings.Repeat("AAAA", most*3/16) + `","signatures":[` + strings.Repeat(`{"sig":"AAAA"},`, maxSignatures-1) + `{"sig":"AAAA"}]}`)
	all, err := ParseEnvelopes(lines)
	if err != nil || public.Signed(t.Context(), all[0]) {
		t.Errorf("long, and signed 16 times: %v", err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.HeapSys - before.HeapSys; grown > 1<<30 {
		t.Errorf("it took %d bytes of memory", grown)
	}
	if took := time.Since(start); took > 2*time.Minute {
		t.Errorf("it took %v", took)
	}
}

func TestStatementsRefused(t *testing.T) {
	const good = `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}],"predicateType":"https://in-toto.io/attestation/test-result/v0.1","predicate":{"result":"PASSED"}}`
	if s, err := ParseStatement([]byte(good)); err != nil {
		t.Fatal(err)
	} else if r, err := s.TestResult(); err != nil || r.Level() != report.None || r.Report() != "" {
		t.Fatal(r, err)
	}
	for _, c := range []struct{ old, new, want string }{
		{"Statement/v1", "Statement/v0.1", "its type is"}, {`[{"digest"`, `[{"digests"`, "subject 1 has no SHA-256"}, {"e3b0", "e3b", "no SHA-256"},
		{`{"result":"PASSED"}`, `"PASSED"`, "no JSON object"}, {`"predicateType":"https`, `"type":"https`, "its predicate has the type"},
	} {
		if _, err := ParseStatement([]byte(strings.Replace(good, c.old, c.new, 1))); !errors.Is(err, ErrStatement) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.new, err, c.want)
		}
	}
	for _, result := range []string{`{"result":"FINE"}`, `{"result":1}`, `{}`} {
		s, err := ParseStatement([]byte(strings.Replace(good, `{"result":"PASSED"}`, result, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.TestResult(); !errors.Is(err, ErrStatement) {
			t.Errorf("%s: %v", result, err)
		}
	}
}
