#!/usr/bin/env python3
"""attestation.py make FILE: statements signed by in-toto's and securesystemslib's Python libraries.
attestation.py check PUBLIC FILE: whether these libraries take the envelopes in FILE, one a line, for signed
by the key PUBLIC (PEM), and their payloads for in-toto Statements v1 with the predicates that they name.

FILE of make is verify/attest/testdata/python.json: a payload, and envelopes about it with the public keys.
The ed25519 key is that of the bytes 0 to 31, so that another signer must come to the same signature.
Needs: pip install in-toto-attestation==0.9.3 securesystemslib==1.6.0 cryptography==50.0.2
"""
import json
import sys

import in_toto_attestation.predicates.provenance.v1.provenance_pb2 as provenance
import in_toto_attestation.predicates.test_result.v0.test_result_pb2 as test_result
import in_toto_attestation.v1.resource_descriptor_pb2 as resource
import in_toto_attestation.v1.statement_pb2 as statement
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from google.protobuf import json_format
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey

PAYLOAD = "application/vnd.in-toto+json"
PREDICATES = {
    "https://slsa.dev/provenance/v1": provenance.Provenance,
    "https://in-toto.io/attestation/test-result/v0.1": test_result.TestResult,
}


def made_statement():
    """A test result on a file that holds nothing."""
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    subject = resource.ResourceDescriptor(name="nothing", digest={"sha256": empty})
    made = Statement([subject],
                     "https://in-toto.io/attestation/test-result/v0.1",
                     {"result": "PASSED", "configuration": [{"digest": {"sha256": empty}}], "passedTests": ["a.check"]})
    made.validate()
    return json_format.MessageToJson(made.pb, indent=None).encode()


def make(file):
    payload = made_statement()
    out = {"payload": payload.decode(), "signed": []}
    for name, private in {
        "ed25519": ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))),
        "P-256": ec.generate_private_key(ec.SECP256R1()),
        "P-384": ec.generate_private_key(ec.SECP384R1()),
    }.items():
        signer = CryptoSigner(private)
        envelope = Envelope(payload, PAYLOAD, {})
        envelope.sign(signer)
        public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        out["signed"].append({"key": name, "public": public, "envelope": envelope.to_dict()})
    with open(file, "w") as f:
        json.dump(out, f, indent=1)
        f.write("\n")


def check(public, file):
    with open(public, "rb") as f:
        key = load_pem_public_key(f.read())
    count = 0
    for line in open(file):
        envelope = Envelope.from_dict(json.loads(line))
        assert envelope.payload_type == PAYLOAD, envelope.payload_type
        for keyid in envelope.signatures:  # by whatever name the signature says that the key goes
            envelope.verify([SSlibKey.from_crypto(key, keyid=keyid)], 1)
        read = json_format.Parse(envelope.payload, statement.Statement())
        Statement.copy_from_pb(read).validate()
        json_format.Parse(json_format.MessageToJson(read.predicate), PREDICATES[read.predicate_type]())
        print(f"{read.predicate_type}: signed, {len(read.subject)} subjects")
        count += 1
    assert count > 0, "no envelope"


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](*sys.argv[2:])
