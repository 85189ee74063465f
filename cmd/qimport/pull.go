package main

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"qimport"
)

func pullCommand(s stdio) *cli.Command {
	return command(s, "pull", "NAME REGISTRY/REPO[:TAG]", "bring a model of an OCI registry into the store", `
NAME moves last, when every blob is there and has the digest that the manifest says. What has come by
then waits: the same command goes on from there. REPO@sha256:DIGEST takes that very manifest. A verdict
that lies beside it is kept and shown as what the registry says; qimport verify makes one here.

Signed statements beside it are kept too. With --key one of the keys must have signed that this very
manifest was verified, and with --require what qimport check-attestation would demand; else nothing is
fetched, and the exit status is 3.
Credentials are those of docker login and oras login.

Examples:
  qimport pull small:nvfp4 registry.example.org/team/small:nvfp4
  qimport pull small localhost:5000/small && qimport verify small
  qimport pull small localhost:5000/small --key release.pub --require level=quality,max-kl=0.1`,
		2, 2, slices.Concat(registryFlags(), group(trustGroup, keyFlag()), signerFlags(), group(trustGroup, requireFlag())), pull)
}

func pull(ctx context.Context, c call) error {
	store, name, from, err := c.nameAndReference()
	if err != nil {
		return err
	}
	o := qimport.PullOptions{PlainHTTP: c.plainHTTP(), Jobs: c.Int("jobs"), Watch: c.stdio}
	if o.Keys, o.Signer, o.Policy, err = c.demands(); err != nil {
		return err
	}
	if c.IsSet("require") && len(o.Keys) == 0 && o.Signer.IsZero() {
		return usagef("--require needs a public key to check by: --key FILE, or --identity and --issuer")
	}
	r, err := qimport.Pull(ctx, store, name, from, o)
	if errors.Is(err, qimport.ErrRefused) {
		return errors.Join(c.print(r, func(w io.Writer) error { return writeAttestation(w, *r.Attestation, c.width(), c.quiet) }), err)
	}
	if err != nil {
		return err
	}
	return c.print(r, func(w io.Writer) error {
		fprintln(w, "%s  %s in %s, %s fetched, %.1f s%s", r.Name, r.Manifest.Short(), plural(r.Blobs, "blob"), size(r.Fetched), r.Seconds, with(r.Beside))
		return nil
	})
}
