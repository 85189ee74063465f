package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"qimport"
	"qimport/verify/attest"
)

func attestCommand(s stdio) *cli.Command {
	return command(s, "attest", "NAME", "sign what is known of a model: its source, and its verdict", `
Signs two in-toto statements on the manifest and each of its blobs, in DSSE envelopes: SLSA provenance
(source files, recipe, versions) and the test result (every check of the verdict that the store keeps, also
of one that says no). They lie beside the manifest; what the same key signed before is replaced.

KEY is a PEM file with an ed25519 or ECDSA key (PKCS #8, SEC 1), or one of cosign generate-key-pair; its
password is COSIGN_PASSWORD, or is asked for on a terminal.

Examples:
  qimport attest small:nvfp4 --key release.key
  qimport attest small:nvfp4 --key cosign.key --out small.intoto.jsonl`,
		1, 1, slices.Concat(
			group(trustGroup, &cli.StringFlag{Name: "key", Usage: "`FILE` of the private key"}),
			group(outputGroup, &cli.StringFlag{Name: "out", Usage: "also write the envelopes to `FILE`, one a line"}),
		), runAttest)
}

func runAttest(ctx context.Context, c call) error {
	if c.String("key") == "" {
		return usagef("--key names no key to sign with")
	}
	store, names, err := c.storeAndNames()
	if err != nil {
		return err
	}
	key, err := attest.ReadPrivate(c.String("key"), c.password(ctx))
	if err != nil {
		return fmt.Errorf("--key %w", err)
	}
	r, err := qimport.Attest(ctx, store, names[0], qimport.AttestOptions{Key: key, Out: c.String("out")})
	if err != nil {
		return err
	}
	return c.print(r, func(w io.Writer) error {
		writeAttested(w, &r)
		return nil
	})
}

// writeAttested says what was signed.
func writeAttested(w io.Writer, r *qimport.Attested) {
	verdict := "passed"
	if !r.Passed {
		verdict = "did not pass"
	}
	fprintln(w, "%s  %s  signed by %s: verified to level %s, which it %s", r.Name, r.Manifest.Short(), r.Key, r.Level, verdict)
	for _, s := range r.Statements {
		fprintln(w, "  %s  %s", s.Predicate, size(int64(s.Bytes)))
	}
}
