package attest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
)

// ErrEnvelope marks bytes that are no signed statements.
var ErrEnvelope = errors.New("no signed statements")

// PayloadType is what an envelope's payload is: an in-toto Statement as JSON.
const PayloadType = "application/vnd.in-toto+json"

// Limits of a file of envelopes: keys that sign the same model, with two statements each.
const (
	MaxBytes      = 16 << 20
	maxEnvelopes  = 64
	maxSignatures = 16
)

// Envelope is a signed payload. Nothing in it may be relied upon before a key has Signed it.
type Envelope struct {
	dsse.Envelope
	payload []byte  // decoded
	around  *bundle // nil where it came by itself
}

// ParseEnvelopes reads lines of JSON, one envelope or sigstore bundle a line. The error is ErrEnvelope, and names the line.
func ParseEnvelopes(b []byte) ([]Envelope, error) {
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, more than the %d that are read", ErrEnvelope, len(b), MaxBytes)
	}
	var all []Envelope
	number := 0
	for line := range bytes.Lines(b) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if len(all) == maxEnvelopes {
			return nil, fmt.Errorf("%w: more than %d envelopes", ErrEnvelope, maxEnvelopes)
		}
		e, isBundle, err := parseBundle(line)
		if !isBundle {
			e, err = parseEnvelope(line)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrEnvelope, number, err)
		}
		all = append(all, e)
	}
	return all, nil
}

func parseEnvelope(line []byte) (e Envelope, err error) {
	if err := json.Unmarshal(line, &e.Envelope); err != nil {
		return e, fmt.Errorf("it is no DSSE envelope: %w", err)
	}
	switch n := len(e.Signatures); {
	case e.PayloadType != PayloadType:
		return e, fmt.Errorf("its payload is %.80q, not %s", e.PayloadType, PayloadType)
	case n == 0 || n > maxSignatures:
		return e, fmt.Errorf("it has %d signatures; 1 to %d are read", n, maxSignatures)
	}
	for i, s := range e.Signatures {
		if _, err := base64.StdEncoding.DecodeString(s.Sig); err != nil {
			return e, fmt.Errorf("its signature %d is not base64", i+1)
		}
	}
	e.payload, err = base64.StdEncoding.DecodeString(e.Envelope.Payload)
	if err != nil {
		return e, errors.New("its payload is not base64")
	}
	return e, nil
}

// EncodeEnvelopes is what ParseEnvelopes reads.
func EncodeEnvelopes(all []Envelope) ([]byte, error) {
	var b bytes.Buffer
	for _, e := range all {
		if err := json.NewEncoder(&b).Encode(e.encoded()); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// Statement reads the payload.
func (e Envelope) Statement() (Statement, error) { return ParseStatement(e.payload) }

// KeyIDs are the names by which its signatures say that they go.
func (e Envelope) KeyIDs() []string {
	if e.IsBundle() {
		return []string{sigstoreKeyID}
	}
	ids := []string{}
	for _, s := range e.Signatures {
		ids = append(ids, s.KeyID)
	}
	return ids
}

// Replace adds envelopes to those of before, in the place of those that say the same: of the same
// predicate, signed by the same key.
func Replace(ctx context.Context, old, added []Envelope, k *Key) ([]Envelope, error) {
	replaced := map[string]bool{}
	for _, e := range added {
		s, err := e.Statement()
		if err != nil {
			return nil, err
		}
		replaced[s.PredicateType] = true
	}
	var all []Envelope
	for _, e := range old {
		if s, err := e.Statement(); err == nil && replaced[s.PredicateType] && len(e.Signatures) == 1 && k.Signed(ctx, e) {
			continue
		}
		all = append(all, e)
	}
	return append(all, added...), nil
}
