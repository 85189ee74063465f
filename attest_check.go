package qimport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"qimport/internal/untrusted"
	"qimport/manifest"
	"qimport/verify/attest"
	"qimport/verify/report"
)

// AttestationOptions say what signed statements are held to.
type AttestationOptions struct {
	Keys   []*attest.Key   // of which one must have signed, unless Keyless has
	Signer attest.Identity // who has signed by a certificate of sigstore; cosign is asked. Zero: nobody is
	Policy attest.Policy
	From   string // file with the statements; "" for those of the store
	Read   bool   // also read every blob and compare it with its digest
	Watch  Watcher

	ahead bool // of the blobs, which are yet to come and are held to their digests then
}

// AttestationVerdict is what signed statements say of a model, as scripts read it.
type AttestationVerdict struct {
	Schema   int             `json:"schema"`
	Name     manifest.Name   `json:"name"`
	Manifest manifest.Digest `json:"manifest"`
	Passed   bool            `json:"passed"`
	Key      string          `json:"key,omitempty"` // that signed the test result
	Checks   []attest.Demand `json:"checks"`
	Level    report.Level    `json:"level,omitempty"`
	attest.Origin
	Report string   `json:"report,omitempty"` // SHA-256 of the report that was signed for
	Notes  []string `json:"notes"`
}

// CheckAttestation asks, without a network, whether one of these keys has signed that the model which the
// name points at was verified, and whether what was signed is enough. That it is not is no error: it is
// in the verdict.
func CheckAttestation(ctx context.Context, store *manifest.Store, name manifest.Name, o AttestationOptions) (AttestationVerdict, error) {
	e, err := store.Lookup(name)
	if err != nil {
		return AttestationVerdict{}, err
	}
	v := newAttestationVerdict(e)
	envelopes, err := envelopesOf(store, e.Digest, o.From)
	if err != nil {
		return v, err
	}
	if err := v.ask(ctx, store, e, envelopes, o); err != nil {
		return v, err
	}
	return v, nil
}

func newAttestationVerdict(e manifest.Entry) AttestationVerdict {
	return AttestationVerdict{Schema: 1, Name: e.Name, Manifest: e.Digest, Checks: []attest.Demand{}, Notes: []string{}}
}

// envelopesOf are those of a file, or of the store; none where there are none.
func envelopesOf(store *manifest.Store, d manifest.Digest, from string) ([]attest.Envelope, error) {
	if from != "" {
		b, err := untrusted.ReadFile(from, attest.MaxBytes)
		return parsedAt(from, b, err)
	}
	b, err := store.Attestations(d)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return parsedAt(store.AttestationsPath(d), b, err)
}

// parsedAt are the envelopes in what was read at a place, unless that failed.
func parsedAt(place string, b []byte, err error) ([]attest.Envelope, error) {
	if err != nil {
		return nil, err
	}
	all, err := attest.ParseEnvelopes(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	return all, nil
}

// trusted is a statement that one of the keys has signed.
type trusted struct {
	attest.Statement
	key string
}

// ask fills the verdict in.
func (v *AttestationVerdict) ask(ctx context.Context, store *manifest.Store, e manifest.Entry, envelopes []attest.Envelope, o AttestationOptions) error {
	err := v.demandAll(ctx, store, e, envelopes, o)
	v.Passed = err == nil && !slices.ContainsFunc(v.Checks, func(d attest.Demand) bool { return !d.Passed })
	return err
}

func (v *AttestationVerdict) demandAll(ctx context.Context, store *manifest.Store, e manifest.Entry, envelopes []attest.Envelope, o AttestationOptions) error {
	signed, unread := signedBy(ctx, envelopes, o.Keys)
	if !o.Signer.IsZero() {
		certified, refused, err := certifiedBy(ctx, envelopes, e.Digest, o.Signer)
		if err != nil {
			return err
		}
		signed = append(signed, certified...)
		if unread == nil {
			unread = refused
		}
	}
	judged, from := lastOf(signed, attest.PredicateTestResult, e.Digest), lastOf(signed, attest.PredicateProvenance, e.Digest)
	if judged == nil {
		v.demand("signature", false, unsigned(envelopes, signed, unread))
		return nil
	}
	test, err := judged.TestResult()
	if err != nil {
		return err
	}
	v.Key, v.Level, v.Report = judged.key, test.Level(), test.Report()
	v.demand("signature", true, "the test result is signed by "+judged.key)
	v.subjects("subjects", judged, e)
	if !o.ahead {
		if err := v.blobs(ctx, store, e.Manifest, o); err != nil {
			return err
		}
	}
	v.Checks = append(v.Checks, o.Policy.Result(test)...)
	var origin *attest.Origin
	if from != nil {
		said, err := from.Origin()
		if err != nil {
			return err
		}
		origin, v.Origin = &said, said
		v.subjects("provenance", from, e)
	}
	v.Checks = append(v.Checks, o.Policy.Origin(origin)...)
	if kept, err := store.Report(e.Digest); err == nil && digestOfReport(kept).Hex() != v.Report {
		v.Notes = append(v.Notes, "the report that the store keeps is another than the one that was signed for")
	}
	return nil
}

func (v *AttestationVerdict) demand(name string, passed bool, detail string) {
	v.Checks = append(v.Checks, attest.Demand{Name: name, Passed: passed, Detail: detail})
}

// subjects asks whether a statement is about the manifest with all its blobs.
func (v *AttestationVerdict) subjects(name string, s *trusted, e manifest.Entry) {
	blobs := e.Manifest.Blobs()
	missing := s.Lacks(e.Digest, blobs)
	if len(missing) > 0 {
		v.demand(name, false, fmt.Sprintf("%d digests of the model are not in it, among them %s", len(missing), missing[0]))
		return
	}
	v.demand(name, true, fmt.Sprintf("the manifest %s and its %d blobs", e.Digest.Short(), len(blobs)))
}

// blobs asks whether the store has the blobs; whether they are whole, where that was asked for.
func (v *AttestationVerdict) blobs(ctx context.Context, store *manifest.Store, m manifest.Manifest, o AttestationOptions) error {
	blobs := m.Blobs()
	if o.Read {
		progress := begin(o.Watch, "check")
		defer progress.End()
		damage, err := manifest.CheckBlobs(ctx, blobs, store.Blob, progress.Bytes)
		if err != nil {
			return err
		}
		detail := fmt.Sprintf("all %d were read, and have their digests", len(blobs))
		if len(damage) > 0 {
			detail = fmt.Sprintf("%d of %d are damaged, among them %v", len(damage), len(blobs), damage[0])
		}
		v.demand("blobs", len(damage) == 0, detail)
		return nil
	}
	for _, l := range blobs {
		if !store.Has(l) {
			v.demand("blobs", false, fmt.Sprintf("%s (%s) is missing, or has another size", store.Blob(l.Digest), l.Name))
			return nil
		}
	}
	v.demand("blobs", true, fmt.Sprintf("all %d are there, with their sizes", len(blobs)))
	return nil
}

// signedBy are the statements that one of the keys has signed. What they signed and is no statement that
// is read is left out; unread says why, of the last.
func signedBy(ctx context.Context, envelopes []attest.Envelope, keys []*attest.Key) (all []trusted, unread error) {
	for _, e := range envelopes {
		for _, k := range keys {
			if !k.Signed(ctx, e) {
				continue
			}
			s, err := e.Statement()
			if err == nil {
				all = append(all, trusted{s, k.ID})
			} else {
				unread = err
			}
			break
		}
	}
	return all, unread
}

// certifiedBy are the statements on a manifest that cosign says someone has signed, by a certificate of
// sigstore. refused says why not, of the last that it did not take.
func certifiedBy(ctx context.Context, envelopes []attest.Envelope, d manifest.Digest, who attest.Identity) (all []trusted, refused, err error) {
	var cosign *attest.Cosign
	for _, e := range envelopes {
		s, err := e.Statement()
		if !e.IsBundle() || err != nil || !slices.Contains([]string{attest.PredicateTestResult, attest.PredicateProvenance}, s.PredicateType) || !s.Names(d) {
			continue
		}
		if cosign == nil {
			if cosign, err = attest.FindCosign(io.Discard); err != nil {
				return nil, nil, err
			}
		}
		switch err := cosign.Check(ctx, e, s.PredicateType, d, who); {
		case err == nil:
			all = append(all, trusted{s, who.String()})
		case errors.Is(err, attest.ErrCosign), ctx.Err() != nil:
			return nil, nil, err
		default:
			refused = fmt.Errorf("cosign does not take it as signed by %s: %w", who, err)
		}
	}
	return all, refused, nil
}

// lastOf is the last statement of a predicate on that manifest: they are added at the end.
func lastOf(all []trusted, predicate string, d manifest.Digest) *trusted {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].PredicateType == predicate && all[i].Names(d) {
			return &all[i]
		}
	}
	return nil
}

// unsigned says why no test result counts.
func unsigned(envelopes []attest.Envelope, signed []trusted, unread error) string {
	switch {
	case len(envelopes) == 0:
		return "the model has no signed statements; qimport attest makes them"
	case unread != nil:
		return fmt.Sprintf("what is signed is not taken: %v", unread)
	case len(signed) > 0:
		return "what the key has signed is no test result of this manifest"
	}
	ids := map[string]bool{}
	for _, e := range envelopes {
		for _, id := range e.KeyIDs() {
			ids[id] = true
		}
	}
	return fmt.Sprintf("none of %d statements is signed by a key that was given; they name %s", len(envelopes), someOf(ids))
}

// someOf lists names from outside, sorted, as far as a line goes.
func someOf(names map[string]bool) string {
	const shown, long = 4, 80
	var all []string
	for n := range names {
		all = append(all, fmt.Sprintf("%.*q", long, n))
	}
	slices.Sort(all)
	if len(all) > shown {
		all = append(all[:shown], "…")
	}
	return strings.Join(all, ", ")
}
