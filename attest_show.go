package qimport

import (
	"errors"
	"fmt"
	"io/fs"

	"qimport/manifest"
	"qimport/verify/attest"
)

// ShownStatement is a statement beside a manifest, as it says of itself: no signature was checked.
type ShownStatement struct {
	Predicate string   `json:"predicate"`
	Keys      []string `json:"keys"`
}

// shownStatements are those on a manifest. note says why they cannot be read.
func shownStatements(store *manifest.Store, d manifest.Digest) (all []ShownStatement, note string) {
	envelopes, err := envelopesOf(store, d, "")
	if err != nil {
		return nil, fmt.Sprintf("its signed statements cannot be read: %v", err)
	}
	for _, e := range envelopes {
		s, err := e.Statement()
		if err != nil {
			return nil, fmt.Sprintf("its signed statements cannot be read: %v", err)
		}
		all = append(all, ShownStatement{s.PredicateType, e.KeyIDs()})
	}
	return all, ""
}

// checkStatements says what is wrong with the statements beside the manifests of a store: that they cannot
// be read, or are not on what they lie beside. Signatures are for CheckAttestation, which has the keys.
func checkStatements(store *manifest.Store) (checked int, damage []manifest.Damage) {
	entries, _ := store.List() // what cannot be read is among the damage already
	names := map[manifest.Digest][]manifest.Name{}
	var distinct []manifest.Entry
	for _, e := range entries {
		if names[e.Digest] == nil {
			distinct = append(distinct, e)
		}
		names[e.Digest] = append(names[e.Digest], e.Name)
	}
	for _, e := range distinct {
		n, err := checkStatementsOf(store, e)
		checked += n
		if err != nil {
			damage = append(damage, manifest.Damage{Path: store.AttestationsPath(e.Digest), Names: names[e.Digest],
				Problem: fmt.Sprintf("holds no signed statements on it: %v; remove the file, and attest again", err)})
		}
	}
	return checked, damage
}

func checkStatementsOf(store *manifest.Store, e manifest.Entry) (int, error) {
	b, err := store.Attestations(e.Digest)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	envelopes, err := attest.ParseEnvelopes(b)
	if err != nil {
		return 0, err
	}
	for i, envelope := range envelopes {
		s, err := envelope.Statement()
		if err != nil {
			return i, fmt.Errorf("envelope %d: %w", i+1, err)
		}
		if missing := s.Lacks(e.Digest, e.Manifest.Blobs()); len(missing) > 0 {
			return i, fmt.Errorf("envelope %d is not on %s", i+1, missing[0])
		}
	}
	return len(envelopes), nil
}
