package attest

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	"github.com/secure-systems-lab/go-securesystemslib/signerverifier"

	"qimport/internal/untrusted"
)

// ErrKey marks bytes that are no key which can do what it was named for.
var ErrKey = errors.New("no such key")

// keyError is one such; its text needs no prefix.
type keyError struct{ error }

func (e keyError) Unwrap() []error { return []error{ErrKey, e.error} }

func keyf(format string, args ...any) error { return keyError{fmt.Errorf(format, args...)} }

// Limits of a key's file. A P-521 key has 400 bytes, and an encrypted one 700.
const (
	maxKey    = 64 << 10
	maxBlocks = 16
)

// Key is an ed25519 or ECDSA key: of two halves if it was read to sign, else the public one.
type Key struct {
	// ID is the fingerprint as OpenSSH writes it, "SHA256:…", which DSSE's libraries take for a key that
	// has no other name.
	ID     string
	signer dsse.SignerVerifier
}

// Password gives the password of an encrypted key; it is asked only for one.
type Password func() ([]byte, error)

// ReadPrivate reads the key of a file to sign with it.
func ReadPrivate(file string, password Password) (*Key, error) {
	return readKey(file, func(b []byte) (*Key, error) { return ParsePrivate(b, password) })
}

// ReadPublic reads the key of a file to check signatures by it.
func ReadPublic(file string) (*Key, error) { return readKey(file, ParsePublic) }

func readKey(file string, parse func([]byte) (*Key, error)) (*Key, error) {
	b, err := untrusted.ReadFile(file, maxKey)
	if err != nil {
		return nil, err
	}
	k, err := parse(b)
	if err != nil {
		return nil, keyf("%s: %w", file, err)
	}
	return k, nil
}

// The PEM types of keys.
const (
	typePublic    = "PUBLIC KEY"
	typePKCS8     = "PRIVATE KEY"
	typeSEC1      = "EC PRIVATE KEY"
	typeCosign    = "ENCRYPTED COSIGN PRIVATE KEY"
	typeSigstore  = "ENCRYPTED SIGSTORE PRIVATE KEY"
	typeEncrypted = "ENCRYPTED PRIVATE KEY" // PKCS #8
)

// ParsePrivate reads a PEM: PKCS #8, SEC 1, or what cosign generate-key-pair makes.
func ParsePrivate(b []byte, password Password) (*Key, error) {
	block, err := keyBlock(b)
	if err != nil {
		return nil, err
	}
	switch block.Type {
	case typePKCS8, typeSEC1:
	case typeCosign, typeSigstore:
		if block, err = decrypt(block, password); err != nil {
			return nil, err
		}
	case typePublic:
		return nil, keyf("it is a public key, and only the private one can sign")
	case typeEncrypted:
		return nil, keyf("it is encrypted as PKCS #8, which is not read: use one of cosign generate-key-pair, or take the password off with openssl pkey")
	default:
		return nil, keyf("it is %q; keys are read as %q, %q or %q", block.Type, typePKCS8, typeSEC1, typeSigstore)
	}
	return load(block)
}

// ParsePublic reads a PEM of the public half.
func ParsePublic(b []byte) (*Key, error) {
	block, err := keyBlock(b)
	if err != nil {
		return nil, err
	}
	switch block.Type {
	case typePublic:
		return load(block)
	case typePKCS8, typeSEC1, typeCosign, typeSigstore, typeEncrypted:
		return nil, keyf("it is a private key; signatures are checked by the public one (openssl pkey -in KEY -pubout, or cosign public-key)")
	}
	return nil, keyf("it is %q; public keys are read as %q", block.Type, typePublic)
}

// keyBlock is the first PEM block that may be a key: OpenSSL writes a curve's parameters before it.
func keyBlock(b []byte) (*pem.Block, error) {
	for range maxBlocks {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		if block.Type != "EC PARAMETERS" {
			return block, nil
		}
	}
	return nil, keyf("there is no key in PEM form in it")
}

// decrypt opens what cosign encrypted: scrypt and NaCl's secretbox, about a PKCS #8 key.
func decrypt(block *pem.Block, password Password) (*pem.Block, error) {
	if password == nil {
		return nil, keyf("it is encrypted, and there is no password")
	}
	secret, err := password()
	if err != nil {
		return nil, keyError{err}
	}
	der, err := encrypted.Decrypt(block.Bytes, secret)
	if err != nil {
		return nil, keyf("it cannot be decrypted, the password may be wrong: %w", err)
	}
	return &pem.Block{Type: typePKCS8, Bytes: der}, nil
}

// load makes a key of a block that holds one.
func load(block *pem.Block) (*Key, error) {
	loaded, err := signerverifier.LoadKey(pem.EncodeToMemory(block))
	if err != nil {
		return nil, keyf("it is no key: %w", err)
	}
	var s dsse.SignerVerifier
	switch loaded.KeyType {
	case signerverifier.ED25519KeyType:
		s, err = signerverifier.NewED25519SignerVerifierFromSSLibKey(loaded)
	case signerverifier.ECDSAKeyType:
		s, err = signerverifier.NewECDSASignerVerifierFromSSLibKey(loaded)
	default:
		return nil, keyf("it is a key of type %s; ed25519 and ecdsa are supported", loaded.KeyType)
	}
	if err != nil {
		return nil, keyError{err}
	}
	id, err := dsse.SHA256KeyID(s.Public())
	if err != nil {
		return nil, keyf("it is on a curve that is not supported: %w", err)
	}
	return &Key{ID: id, signer: s}, nil
}

// named is a key under the name by which other tools look for it.
type named struct {
	dsse.SignerVerifier
	id string
}

func (n named) KeyID() (string, error) { return n.id, nil }

// Sign puts a statement's bytes into an envelope.
func (k *Key) Sign(ctx context.Context, payload []byte) (Envelope, error) {
	signer, err := dsse.NewEnvelopeSigner(named{k.signer, k.ID})
	if err != nil {
		return Envelope{}, err
	}
	e, err := signer.SignPayload(ctx, PayloadType, payload)
	if err != nil {
		return Envelope{}, fmt.Errorf("signing with %s: %w", k.ID, err)
	}
	return Envelope{Envelope: *e, payload: payload}, nil
}

// Signed says whether one of an envelope's signatures is this key's. By which name a signature says that
// it goes is no more than a hint, and others name keys otherwise: it is not heeded.
func (k *Key) Signed(ctx context.Context, e Envelope) bool {
	unnamed := e.Envelope
	unnamed.Signatures = slices.Clone(e.Signatures)
	for i := range unnamed.Signatures {
		unnamed.Signatures[i].KeyID = ""
	}
	verifier, err := dsse.NewEnvelopeVerifier(named{k.signer, k.ID})
	if err != nil {
		return false
	}
	_, err = verifier.Verify(ctx, &unnamed)
	return err == nil
}
