package attest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	statement "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"qimport/manifest"
)

// ErrStatement marks a payload that is no in-toto Statement v1.
var ErrStatement = errors.New("no in-toto statement")

// The predicates that are signed.
const (
	PredicateProvenance = "https://slsa.dev/provenance/v1"
	PredicateTestResult = "https://in-toto.io/attestation/test-result/v0.1"
)

// Statement is a statement that was read: what it says of which files, by digest.
type Statement struct {
	Type          string          `json:"_type"`
	Subject       []Subject       `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

// Subject is one file that a statement is about. Its name is a label: the digest is what counts.
type Subject struct {
	Name   string `json:"name"`
	Digest struct {
		SHA256 string `json:"sha256"`
	} `json:"digest"`
}

// Limits of a statement: the manifest and as many blobs as one can have; a URI.
const (
	maxSubjects  = 100_002
	maxPredicate = 1024
)

// ParseStatement reads a payload. The error is ErrStatement.
func ParseStatement(payload []byte) (s Statement, err error) {
	if err := json.Unmarshal(payload, &s); err != nil {
		return s, fmt.Errorf("%w: %w", ErrStatement, err)
	}
	predicate := bytes.TrimSpace(s.Predicate)
	switch {
	case s.Type != statement.StatementTypeUri:
		return s, fmt.Errorf("%w: its type is %.80q, not %s", ErrStatement, s.Type, statement.StatementTypeUri)
	case s.PredicateType == "" || len(s.PredicateType) > maxPredicate:
		return s, fmt.Errorf("%w: its predicate has the type %.80q", ErrStatement, s.PredicateType)
	case len(predicate) == 0 || predicate[0] != '{':
		return s, fmt.Errorf("%w: its predicate is no JSON object", ErrStatement)
	case len(s.Subject) == 0 || len(s.Subject) > maxSubjects:
		return s, fmt.Errorf("%w: it has %d subjects; 1 to %d are read", ErrStatement, len(s.Subject), maxSubjects)
	}
	for i, of := range s.Subject {
		if sum, err := hex.DecodeString(of.Digest.SHA256); err != nil || len(sum) != 32 {
			return s, fmt.Errorf("%w: its subject %d has no SHA-256", ErrStatement, i+1)
		}
	}
	return s, nil
}

// Names reports whether a digest is among the subjects.
func (s Statement) Names(d manifest.Digest) bool { return len(s.Lacks(d, nil)) == 0 }

// Lacks is what of a manifest and its blobs is not among the subjects.
func (s Statement) Lacks(d manifest.Digest, blobs []manifest.Layer) (missing []manifest.Digest) {
	named := make(map[string]bool, len(s.Subject))
	for _, of := range s.Subject {
		named[of.Digest.SHA256] = true
	}
	if !named[d.Hex()] {
		missing = append(missing, d)
	}
	for _, l := range blobs {
		if !named[l.Digest.Hex()] {
			missing = append(missing, l.Digest)
		}
	}
	return missing
}

// predicate is one that qimport makes.
type predicate interface {
	proto.Message
}

// payload is the JSON of a statement on a model: the same bytes for the same model and predicate.
func payload(m Model, predicateType string, p predicate) ([]byte, error) {
	said, err := compact(p)
	if err != nil {
		return nil, err
	}
	return encodePayload(m.Name, m.subjects(), predicateType, said)
}

// encodePayload is the JSON of a statement with a predicate that is JSON already.
func encodePayload(on string, subjects []*statement.ResourceDescriptor, predicateType string, said []byte) ([]byte, error) {
	body := &structpb.Struct{}
	if err := protojson.Unmarshal(said, body); err != nil {
		return nil, err
	}
	s := &statement.Statement{Type: statement.StatementTypeUri, Subject: subjects, PredicateType: predicateType, Predicate: body}
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("the statement %s on %s: %w", predicateType, on, err)
	}
	return compact(s)
}

// compact is the JSON of a message without the white space that protojson draws by lot.
func compact(m proto.Message) ([]byte, error) {
	said, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = json.Compact(&b, said)
	return b.Bytes(), err
}

// subjects are the manifest by the name in the store, and each blob by its file's name.
func (m Model) subjects() []*statement.ResourceDescriptor {
	all := []*statement.ResourceDescriptor{resource(m.Name, m.Digest.Hex())}
	for _, l := range m.Manifest.Blobs() {
		all = append(all, resource(l.Digest.FileName(), l.Digest.Hex()))
	}
	return all
}

// resource is a file by name and SHA-256.
func resource(name, sum string) *statement.ResourceDescriptor {
	return &statement.ResourceDescriptor{Name: name, Digest: map[string]string{"sha256": sum}}
}
