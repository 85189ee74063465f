package qimport

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	goruntime "runtime"
	"slices"

	"qimport/internal/replace"
	"qimport/internal/untrusted"
	"qimport/manifest"
	"qimport/verify/attest"
)

// AttestFilesOptions say who signs which files, built from what.
type AttestFilesOptions struct {
	Key     *attest.Key
	Files   []string
	Out     string // file that gets the envelope
	Version string // of the program that signs
	attest.Origin
}

// AttestedFiles is what was signed, as scripts read it.
type AttestedFiles struct {
	Schema    int           `json:"schema"`
	Key       string        `json:"key"` // its fingerprint
	Files     []attest.File `json:"files"`
	Statement Signed        `json:"statement"`
	File      string        `json:"file"` // that holds it
}

// AttestFiles signs from what plain files were built: a release's archives. No store has part in it.
func AttestFiles(ctx context.Context, o AttestFilesOptions) (AttestedFiles, error) {
	if o.Source == "" {
		return AttestedFiles{}, optionsf("a statement on files says what they were built from: --source names the repository")
	}
	if o.Out == "" {
		return AttestedFiles{}, optionsf("--out names no file for the statement")
	}
	if err := checkPlace(o.Out); err != nil {
		return AttestedFiles{}, optionsf("--out %w", err)
	}
	files, err := digests(ctx, o.Files)
	if err != nil {
		return AttestedFiles{}, err
	}
	payload, err := attest.FilesStatement(attest.Files{Files: files, Origin: o.Origin, Versions: map[string]string{"qimport": o.Version, "go": goruntime.Version()}})
	if err != nil {
		return AttestedFiles{}, err
	}
	signed, err := o.Key.Sign(ctx, payload)
	if err != nil {
		return AttestedFiles{}, err
	}
	lines, err := attest.EncodeEnvelopes([]attest.Envelope{signed})
	if err != nil {
		return AttestedFiles{}, err
	}
	return AttestedFiles{
		Schema: 1, Key: o.Key.ID, Files: files, File: o.Out,
		Statement: Signed{attest.PredicateProvenance, manifest.DigestOf(payload), len(payload)},
	}, replace.WriteFile(o.Out, lines, replace.Shared)
}

// digests are those of files, which must have different names: a statement names them without their folders.
func digests(ctx context.Context, paths []string) ([]attest.File, error) {
	all := []attest.File{}
	for _, path := range paths {
		name := filepath.Base(path)
		if slices.ContainsFunc(all, func(f attest.File) bool { return f.Name == name }) {
			return nil, optionsf("two of the files are called %s", name)
		}
		f, info, err := untrusted.Open(path)
		if err != nil {
			return nil, err
		}
		sum, err := manifest.HashReader(ctx, f, info.Size(), nil)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, attest.File{Name: name, SHA256: sum})
	}
	return all, nil
}

// FilesVerdict is what signed statements say of plain files, as scripts read it.
type FilesVerdict struct {
	Schema int             `json:"schema"`
	Passed bool            `json:"passed"`
	Files  []attest.File   `json:"files"`
	Checks []attest.Demand `json:"checks"`
}

// CheckFiles asks whether one of the keys has signed a statement on each of the files, and whether what it
// says of where they come from is what the policy demands. That it is not is no error: it is in the verdict.
func CheckFiles(ctx context.Context, paths []string, o AttestationOptions) (FilesVerdict, error) {
	v := FilesVerdict{Schema: 1, Files: []attest.File{}, Checks: []attest.Demand{}}
	if o.Policy.AsksForVerdict() {
		return v, optionsf("files were not verified as models are: of --require only source and revision are asked of them")
	}
	b, err := untrusted.ReadFile(o.From, attest.MaxBytes)
	envelopes, err := parsedAt(o.From, b, err)
	if err != nil {
		return v, err
	}
	if v.Files, err = digests(ctx, paths); err != nil {
		return v, err
	}
	signed, unread := signedBy(ctx, envelopes, o.Keys)
	if len(signed) == 0 {
		v.Checks = append(v.Checks, attest.Demand{Name: "signature", Detail: unsigned(envelopes, signed, unread)})
		return v, nil
	}
	for _, f := range v.Files {
		v.Checks = append(v.Checks, fileDemands(f, signed, o.Policy)...)
	}
	v.Passed = !slices.ContainsFunc(v.Checks, func(d attest.Demand) bool { return !d.Passed })
	return v, nil
}

// fileDemands are what is asked of one file, and the answers of the last statement that names it. The same
// bytes under another name were not signed: who trusts a name should not get what has another.
func fileDemands(f attest.File, signed []trusted, p attest.Policy) []attest.Demand {
	no := attest.Demand{Name: f.Name, Detail: "no file with its digest, " + f.SHA256.Short() + ", was signed"}
	for _, s := range slices.Backward(signed) {
		origin, err := s.FilesOrigin()
		if err != nil { // a statement on a model
			continue
		}
		for _, of := range s.Subject {
			switch {
			case of.Digest.SHA256 != f.SHA256.Hex():
			case of.Name == f.Name:
				yes := attest.Demand{Name: f.Name, Passed: true, Detail: fmt.Sprintf("%s, signed by %s", f.SHA256.Short(), s.key)}
				return append([]attest.Demand{yes}, p.Origin(&origin)...)
			default:
				no.Detail = fmt.Sprintf("it was signed as %.80q, by %s", of.Name, s.key)
			}
		}
	}
	return []attest.Demand{no}
}
