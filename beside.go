package qimport

import (
	"bytes"
	"context"
	"fmt"
	"path"

	"github.com/dustin/go-humanize/english"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"qimport/manifest"
	"qimport/manifest/registry"
	"qimport/verify/attest"
	"qimport/verify/report"
)

// Types of the artifacts that lie beside a model in a registry: a verdict, and a signed statement as other
// tools have it.
const (
	typeReport    = "application/vnd.qimport.report.v1+json"
	typeStatement = "application/vnd.dsse.envelope.v1+json"
	keyPredicate  = "in-toto.io/predicate-type"
)

// attach puts beside a pushed manifest what the store keeps beside its own, and says what.
func attach(ctx context.Context, client *registry.Client, store *manifest.Store, d manifest.Digest, subject ocispec.Descriptor, w Watcher) ([]string, error) {
	names := []string{}
	kept, err := keptReport(store, d)
	if err != nil {
		notef(w, "note: the verdict kept on %s cannot be read, and is left out: %v", d.Short(), err)
	}
	statements, err := keptStatements(store, d)
	if err != nil {
		return names, err
	}
	for _, a := range append(kept, statements...) {
		if _, err := client.Attach(ctx, subject, a); err != nil {
			return names, err
		}
		names = append(names, a.Name)
	}
	return names, nil
}

// keptReport is the verdict that the store keeps, where it is of this machine: what others said of the
// model is theirs to publish.
func keptReport(store *manifest.Store, d manifest.Digest) ([]registry.Attachment, error) {
	r, b, err := keptVerdict(store, d)
	if err != nil || r == nil || r.Origin != "" {
		return nil, err
	}
	return []registry.Attachment{{Type: typeReport, Name: "report.json", Content: b}}, nil
}

// keptStatements are the signed statements that the store keeps, whoever signed them.
func keptStatements(store *manifest.Store, d manifest.Digest) (all []registry.Attachment, err error) {
	envelopes, err := envelopesOf(store, d, "")
	if err != nil {
		return nil, err
	}
	for _, e := range envelopes {
		s, err := e.Statement()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", store.AttestationsPath(d), err)
		}
		line, err := attest.EncodeEnvelopes([]attest.Envelope{e})
		if err != nil {
			return nil, err
		}
		all = append(all, registry.Attachment{
			Type: typeStatement, Name: path.Base(path.Dir(s.PredicateType)) + ".intoto.json",
			Content: bytes.TrimSpace(line), About: map[string]string{keyPredicate: s.PredicateType},
		})
	}
	return all, nil
}

// foundBeside is what lies beside a model in a registry and is about it.
type foundBeside struct {
	report     *report.Report // nil for none; another's word, which says so
	statements []attest.Envelope
}

// findBeside fetches it. What is no verdict and no statement on this very manifest is left out, with a
// note: whoever may write to the repository may put it there.
func findBeside(ctx context.Context, client *registry.Client, from registry.Reference, r registry.Remote, o PullOptions) (found foundBeside, err error) {
	if client.Dialect == registry.Ollama {
		return found, nil // it has no referrers
	}
	subject, d := registry.Subject(r.MediaType, r.Digest, r.Size), manifest.DigestOf(r.Content)
	reports, err := client.Attached(ctx, subject, typeReport)
	if err != nil {
		return found, err
	}
	for _, f := range reports {
		verdict, err := report.Parse(f.Content)
		if err != nil || verdict.Manifest != d.String() {
			notef(o.Watch, "note: a report beside %s is left out: it is none on this model", from)
			continue
		}
		if found.report == nil || verdict.Level.Covers(found.report.Level) {
			verdict.Origin = from.String()
			found.report = &verdict
		}
	}
	statements, err := client.Attached(ctx, subject, typeStatement)
	if err != nil {
		return found, err
	}
	for _, f := range statements {
		e, err := statementOn(f.Content, d, r.Manifest)
		if err != nil {
			notef(o.Watch, "note: a statement beside %s is left out: %v", from, err)
			continue
		}
		found.statements = append(found.statements, e)
	}
	return found, nil
}

// statementOn reads one envelope whose statement is on a manifest with all its blobs.
func statementOn(content []byte, d manifest.Digest, m manifest.Manifest) (e attest.Envelope, err error) {
	all, err := attest.ParseEnvelopes(content)
	if err != nil {
		return e, err
	}
	if len(all) != 1 {
		return e, fmt.Errorf("it has %d envelopes, not one", len(all))
	}
	s, err := all[0].Statement()
	if err != nil {
		return e, err
	}
	if missing := s.Lacks(d, m.Blobs()); len(missing) > 0 {
		return e, fmt.Errorf("it is not on %s", missing[0])
	}
	return all[0], nil
}

// judge asks whether one of the keys has signed enough; nil where there are none.
func (f foundBeside) judge(ctx context.Context, store *manifest.Store, e manifest.Entry, o PullOptions) (*AttestationVerdict, error) {
	if len(o.Keys) == 0 && o.Signer.IsZero() {
		return nil, nil
	}
	v := newAttestationVerdict(e)
	if err := v.ask(ctx, store, e, f.statements, AttestationOptions{Keys: o.Keys, Signer: o.Signer, Policy: o.Policy, Watch: o.Watch, ahead: true}); err != nil {
		return &v, err
	}
	if !v.Passed {
		return &v, fmt.Errorf("%w: what is signed of the model is not enough; %s was not moved, and nothing was fetched", ErrRefused, e.Name)
	}
	return &v, nil
}

// keep puts it beside the manifest in the store, which has a word of its own on the model or not. The names
// are those of what was kept.
func (f foundBeside) keep(ctx context.Context, store *manifest.Store, d manifest.Digest) ([]string, error) {
	names := []string{}
	own, _ := readVerdict(store, d) // one that cannot be read is replaced
	if f.report != nil && (own == nil || own.Origin != "") {
		if err := keepVerdict(store, d, f.report); err != nil {
			return names, err
		}
		names = append(names, "report.json")
	}
	if len(f.statements) == 0 {
		return names, nil
	}
	names = append(names, english.Plural(len(f.statements), "signed statement", ""))
	return names, store.UpdateAttestations(ctx, d, func(old []byte) ([]byte, error) {
		lines, err := attest.EncodeEnvelopes(f.statements)
		for line := range bytes.Lines(lines) {
			if !bytes.Contains(old, line) {
				old = append(old, line...)
			}
		}
		if _, full := attest.ParseEnvelopes(old); err == nil {
			err = full // more than are kept, or old ones that cannot be read
		}
		return old, err
	})
}
