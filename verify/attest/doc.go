// Package attest owns signed statements on models: in-toto Statements v1 in DSSE envelopes, their keys,
// and the policy by which they are enough or not.
//
//   - Statements makes the two that qimport signs of a verdict: SLSA provenance v1 and in-toto
//     test-result v0.1. Their subjects are the manifest and each of its blobs.
//   - FilesStatement makes the one on plain files, as a release has them.
//   - Key signs, or says whether it has signed; ed25519 and ECDSA, from PEM.
//   - Envelopes are lines of JSON. What is in one counts only after Key.Signed said yes.
//   - Policy says what must be in them.
//
// Envelopes, keys and policies come from outside: each is read within bounds. The package must not know
// where statements are kept, or how a model is verified.
package attest
