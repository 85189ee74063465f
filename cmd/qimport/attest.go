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
	return command(s, "attest", "NAME | --file FILE…", "sign what is known of a model: its source, and its verdict", `
Signs two in-toto statements on the manifest and each of its blobs, in DSSE envelopes: SLSA provenance
(source files, recipe, versions) and the test result (every check of the verdict that the store keeps, also
of one that says no). They lie beside the manifest; what the same key signed before is replaced.

KEY is a PEM file with an ed25519 or ECDSA key (PKCS #8, SEC 1), or one of cosign generate-key-pair; its
password is COSIGN_PASSWORD, or is asked for on a terminal. With --keyless an installed cosign signs, as
whoever it is that sigstore's servers are told by the pipeline or in a browser.

With --file it signs plain files, as those of a release, in place of a model: SLSA provenance that names each
by its SHA-256, with the repository and commit that they were built from, into --out.

Examples:
  qimport attest small:nvfp4 --key release.key
  qimport attest small:nvfp4 --key cosign.key --out small.intoto.jsonl
  qimport attest small:nvfp4 --keyless
  qimport attest --file app.tar.gz --file app.deb --source https://example.org/app --revision COMMIT --key release.key --out app.intoto.jsonl`,
		0, 1, slices.Concat(
			group(trustGroup, &cli.StringFlag{Name: "key", Usage: "`FILE` of the private key"},
				&cli.BoolFlag{Name: "keyless", Usage: "sign by cosign, without a key: it asks sigstore's servers"}),
			group(sourceGroup, filesFlag(),
				&cli.StringFlag{Name: "source", Usage: "`REPOSITORY` that the files were built from"},
				&cli.StringFlag{Name: "revision", Usage: "`COMMIT` that the files were built from"}),
			group(outputGroup, &cli.StringFlag{Name: "out", Usage: "also write the envelopes to `FILE`, one a line"}),
		), runAttest)
}

func runAttest(ctx context.Context, c call) error {
	switch key := c.String("key") != ""; {
	case key && c.Bool("keyless"):
		return usagef("--key and --keyless: one of them signs")
	case !key && !c.Bool("keyless"):
		return usagef("--key names no key to sign with, and --keyless is not asked for")
	}
	files := c.StringSlice("file")
	if err := c.nameOrFiles(files); err != nil {
		return err
	}
	switch {
	case len(files) == 0 && (c.IsSet("source") || c.IsSet("revision")):
		return usagef("--source and --revision are of files (--file): where a model comes from is known")
	case len(files) > 0 && c.Bool("keyless"):
		return usagef("--keyless is for models: cosign attest-blob signs plain files by itself")
	}
	o := qimport.AttestOptions{Out: c.String("out")}
	var err error
	if c.Bool("keyless") {
		if o.Cosign, err = attest.FindCosign(c.err); err != nil {
			return err
		}
	} else if o.Key, err = attest.ReadPrivate(c.String("key"), c.password(ctx)); err != nil {
		return fmt.Errorf("--key %w", err)
	}
	if len(files) > 0 {
		return c.attestFiles(ctx, o.Key, files)
	}
	store, names, err := c.storeAndNames()
	if err != nil {
		return err
	}
	r, err := qimport.Attest(ctx, store, names[0], o)
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

func filesFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "file", Usage: "a plain `FILE`, in place of a model\nRepeatable."}
}

// nameOrFiles refuses a command that names neither a model nor files, or both.
func (c call) nameOrFiles(files []string) error {
	if (c.NArg() == 1) == (len(files) > 0) {
		return usagef("it is: qimport %s NAME, or --file FILE for each plain file", c.Command.Name)
	}
	return nil
}

func (c call) attestFiles(ctx context.Context, key *attest.Key, files []string) error {
	r, err := qimport.AttestFiles(ctx, qimport.AttestFilesOptions{
		Key: key, Files: files, Out: c.String("out"), Version: version,
		Origin: attest.Origin{Source: c.String("source"), Revision: c.String("revision")},
	})
	if err != nil {
		return err
	}
	return c.print(r, func(w io.Writer) error {
		fprintln(w, "%s  signed by %s: %s", r.File, r.Key, plural(len(r.Files), "file"))
		for _, f := range r.Files {
			fprintln(w, "  %s  %s", f.SHA256.Short(), f.Name)
		}
		return nil
	})
}
