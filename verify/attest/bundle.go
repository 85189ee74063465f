package attest

import (
	"encoding/json"
	"errors"
	"strings"
)

// bundle is what sigstore puts around an envelope that was signed without a key: a certificate that names
// who signed, and the log's word on when. It is read by cosign alone; of it, only the envelope is read here.
type bundle struct {
	MediaType string          `json:"mediaType"`
	Material  json.RawMessage `json:"verificationMaterial"`
	Envelope  json.RawMessage `json:"dsseEnvelope"`
}

const bundleType = "application/vnd.dev.sigstore.bundle"

// sigstoreKeyID stands for the name of a key where a certificate signed.
const sigstoreKeyID = "sigstore"

// parseBundle reads the envelope of a bundle, and keeps what is around it. ok is false where b is no bundle.
func parseBundle(b []byte) (e Envelope, ok bool, err error) {
	var around bundle
	if json.Unmarshal(b, &around) != nil || around.MediaType == "" {
		return e, false, nil
	}
	switch {
	case !strings.HasPrefix(around.MediaType, bundleType):
		return e, true, errors.New("it is neither a DSSE envelope nor a sigstore bundle")
	case len(around.Material) == 0 || len(around.Envelope) == 0:
		return e, true, errors.New("it is a sigstore bundle without certificate or envelope")
	}
	if e, err = parseEnvelope(around.Envelope); err != nil {
		return e, true, err
	}
	around.Envelope = nil
	e.around = &around
	return e, true, nil
}

// IsBundle says whether an envelope came in a sigstore bundle.
func (e Envelope) IsBundle() bool { return e.around != nil }

// encoded is the envelope as it is written, in its bundle where it has one. The bundle is written anew around
// what was read, so that nothing else can be understood of it elsewhere.
func (e Envelope) encoded() any {
	if e.around == nil {
		return e.Envelope
	}
	inner := map[string]any{"payload": e.Payload, "payloadType": e.PayloadType}
	var signatures []map[string]string
	for _, s := range e.Signatures {
		signature := map[string]string{"sig": s.Sig}
		if s.KeyID != "" {
			signature["keyid"] = s.KeyID
		}
		signatures = append(signatures, signature)
	}
	inner["signatures"] = signatures
	return map[string]any{"mediaType": e.around.MediaType, "verificationMaterial": e.around.Material, "dsseEnvelope": inner}
}
