package qimport

import (
	"context"
	"fmt"

	"qimport/internal/replace"
	"qimport/manifest"
	"qimport/verify/attest"
	"qimport/verify/report"
)

// AttestOptions say who signs what is known of a model.
type AttestOptions struct {
	Key    *attest.Key
	Cosign *attest.Cosign // signs without a key; nil where Key does
	Out    string         // file that gets what was signed, too; "" for none
}

// Attested is what was signed, as scripts read it.
type Attested struct {
	Schema     int             `json:"schema"`
	Name       manifest.Name   `json:"name"`
	Manifest   manifest.Digest `json:"manifest"`
	Key        string          `json:"key"` // its fingerprint
	Level      report.Level    `json:"level"`
	Passed     bool            `json:"passed"` // as the verdict says
	Statements []Signed        `json:"statements"`
	File       string          `json:"file"` // in the store
}

// Signed is one statement that was signed.
type Signed struct {
	Predicate string          `json:"predicate"`
	Payload   manifest.Digest `json:"payload"`
	Bytes     int             `json:"bytes"`
}

// Attest signs what the store knows of a model: where it comes from, and how it was judged, also where
// that is a no. The envelopes lie beside the manifest, in the place of those that the same key has signed
// before.
func Attest(ctx context.Context, store *manifest.Store, name manifest.Name, o AttestOptions) (Attested, error) {
	if o.Out != "" {
		if err := checkPlace(o.Out); err != nil {
			return Attested{}, optionsf("--out %w", err)
		}
	}
	e, err := store.Lookup(name)
	if err != nil {
		return Attested{}, err
	}
	by := keySigner(o.Key)
	if o.Cosign != nil {
		by = signer{id: "sigstore", sign: o.Cosign.Sign, replace: func(_ context.Context, old, added []attest.Envelope) ([]attest.Envelope, error) {
			return append(old, added...), nil // who signed those before is in their certificates
		}}
	}
	result, lines, err := sign(ctx, store, e, by)
	if err != nil || o.Out == "" {
		return result, err
	}
	return result, replace.WriteFile(o.Out, lines, replace.Shared)
}

// signer is who signs statements, and what becomes of those that were there.
type signer struct {
	id      string
	sign    func(ctx context.Context, payload []byte) (attest.Envelope, error)
	replace func(ctx context.Context, old, added []attest.Envelope) ([]attest.Envelope, error)
}

func keySigner(key *attest.Key) signer {
	if key == nil {
		return signer{}
	}
	return signer{key.ID, key.Sign, func(ctx context.Context, old, added []attest.Envelope) ([]attest.Envelope, error) {
		return attest.Replace(ctx, old, added, key)
	}}
}

// sign signs what is known of an entry, and keeps it. The lines are what was signed now.
func sign(ctx context.Context, store *manifest.Store, e manifest.Entry, by signer) (result Attested, lines []byte, err error) {
	model, err := attestable(store, e)
	if err != nil {
		return result, nil, err
	}
	payloads, err := attest.Statements(model)
	if err != nil {
		return result, nil, err
	}
	result = Attested{
		Schema: 1, Name: e.Name, Manifest: e.Digest, Key: by.id, Level: model.Report.Level, Passed: model.Report.Passed,
		Statements: []Signed{}, File: store.AttestationsPath(e.Digest),
	}
	var added []attest.Envelope
	for _, payload := range payloads {
		s, err := attest.ParseStatement(payload)
		if err != nil {
			return result, nil, err
		}
		signed, err := by.sign(ctx, payload)
		if err != nil {
			return result, nil, err
		}
		added = append(added, signed)
		result.Statements = append(result.Statements, Signed{s.PredicateType, manifest.DigestOf(payload), len(payload)})
	}
	if lines, err = attest.EncodeEnvelopes(added); err != nil {
		return result, nil, err
	}
	return result, lines, store.UpdateAttestations(ctx, e.Digest, func(old []byte) ([]byte, error) {
		kept, err := attest.ParseEnvelopes(old)
		if err != nil {
			return nil, fmt.Errorf("%s: %w; remove that file, and attest again", result.File, err)
		}
		if kept, err = by.replace(ctx, kept, added); err != nil {
			return nil, err
		}
		return attest.EncodeEnvelopes(kept)
	})
}

// attestable is what is known of an entry, if a verdict answers for it.
func attestable(store *manifest.Store, e manifest.Entry) (attest.Model, error) {
	r, b, err := keptVerdict(store, e.Digest)
	if err != nil {
		return attest.Model{}, fmt.Errorf("the verdict kept on %s cannot be read: %w; qimport verify makes it anew", e.Name, err)
	}
	if r == nil {
		return attest.Model{}, fmt.Errorf("there is no verdict on %s that could be signed: qimport verify %s makes one", e.Name, e.Name)
	}
	if why := r.Stale(e.Digest.String(), r.Level); why != "" {
		return attest.Model{}, fmt.Errorf("the verdict kept on %s does not answer for it: %s; qimport verify makes it anew", e.Name, why)
	}
	return attest.Model{Name: e.Name.String(), Digest: e.Digest, Manifest: e.Manifest, Report: *r, Kept: manifest.DigestOf(b)}, nil
}

// signImported signs what an import has just published, or found published.
func signImported(ctx context.Context, store *manifest.Store, m manifest.Manifest, key *attest.Key, result *ImportResult) error {
	if key == nil {
		return nil
	}
	signed, _, err := sign(ctx, store, manifest.Entry{Name: result.Name, Manifest: m, Digest: result.Manifest}, keySigner(key))
	if err != nil {
		return fmt.Errorf("%s is published, but not signed: %w", result.Name, err)
	}
	result.Attestation = &signed
	return nil
}
