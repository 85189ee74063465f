package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"qimport"
	"qimport/internal/table"
	"qimport/verify/attest"
)

func checkAttestationCommand(s stdio) *cli.Command {
	return command(s, "check-attestation", "NAME | --file FILE…", "say whether a key has signed that a model was verified well enough", `
Needs no network. One of the keys, or whoever --identity names, must have signed a test result on the very
manifest that NAME points at,
with all its blobs; the result must not be FAILED; and what --require demands must hold:

  level=quality           the verification went that far: blobs, smoke or quality
  max-kl=0.1              also min-top1, max-ppl-increase, min-needle: what was measured
  check=quality.mtp       that check has passed
  warnings=no             no check has warned
  source=ORG/NAME         the signed provenance names that source; also revision=COMMIT

With --file it asks of plain files: each must be one that a statement of --from names, with its SHA-256.

Examples:
  qimport check-attestation small:nvfp4 --key release.pub
  qimport check-attestation small:nvfp4 --key release.pub --require level=quality,max-kl=0.1
  qimport check-attestation small:nvfp4 --identity me@example.org --issuer https://accounts.example.org
  qimport check-attestation small:nvfp4 --key release.pub --from small.intoto.jsonl --read
  qimport check-attestation --file app.tar.gz --from app.intoto.jsonl --key release.pub --require revision=COMMIT

Exit status: 0 signed, and enough; 1 failed; 2 wrong usage; 3 not signed, or not enough.`,
		0, 1, slices.Concat(group(trustGroup, filesFlag(), keyFlag()), signerFlags(), group(trustGroup, requireFlag(),
			&cli.StringFlag{Name: "from", Usage: "`FILE` with the envelopes", DefaultText: "those beside the manifest"},
			&cli.BoolFlag{Name: "read", Usage: "also read every blob of the model and compare it with its digest"},
		)), checkAttestation)
}

func checkAttestation(ctx context.Context, c call) error {
	o := qimport.AttestationOptions{From: c.String("from"), Read: c.Bool("read"), Watch: c.stdio}
	var err error
	if o.Keys, o.Signer, o.Policy, err = c.demands(); err != nil {
		return err
	}
	if len(o.Keys) == 0 && o.Signer.IsZero() {
		return usagef("--key names no public key to check by, nor --identity who is to have signed")
	}
	files := c.StringSlice("file")
	if err := c.nameOrFiles(files); err != nil {
		return err
	}
	if len(files) > 0 {
		if !o.Signer.IsZero() {
			return usagef("--identity is for models: cosign verify-blob-attestation checks plain files by itself")
		}
		return c.checkFiles(ctx, files, o)
	}
	store, names, err := c.storeAndNames()
	if err != nil {
		return err
	}
	v, err := qimport.CheckAttestation(ctx, store, names[0], o)
	if err != nil {
		return err
	}
	if err := c.print(v, func(w io.Writer) error { return writeAttestation(w, v, c.width(), c.quiet) }); err != nil {
		return err
	}
	if !v.Passed {
		return qimport.ErrRefused
	}
	return nil
}

// demands are what --key, --identity and --require say.
func (c call) demands() (keys []*attest.Key, who attest.Identity, p attest.Policy, err error) {
	who = attest.Identity{Name: c.String("identity"), Issuer: c.String("issuer"), TrustedRoot: c.String("trusted-root")}
	if !who.IsZero() && (who.Name == "" || who.Issuer == "") {
		return nil, who, p, usagef("--identity and --issuer go together: who has signed, and who vouches for that")
	}
	if p, err = attest.ParsePolicy(c.String("require")); err != nil {
		return nil, who, p, fmt.Errorf("--require: %w", err)
	}
	for _, file := range c.StringSlice("key") {
		key, err := attest.ReadPublic(file)
		if err != nil {
			return nil, who, p, fmt.Errorf("--key %w", err)
		}
		keys = append(keys, key)
	}
	return keys, who, p, nil
}

func (c call) checkFiles(ctx context.Context, files []string, o qimport.AttestationOptions) error {
	if o.From == "" {
		return usagef("--from names no file with the statements: beside plain files there are none")
	}
	v, err := qimport.CheckFiles(ctx, files, o)
	if err != nil {
		return err
	}
	err = c.print(v, func(w io.Writer) error {
		if err := writeDemands(w, v.Checks, c.width(), c.quiet); err != nil {
			return err
		}
		fprintln(w, "%s  %s", plural(len(v.Files), "file"), answerWord(v.Passed))
		return nil
	})
	if err == nil && !v.Passed {
		err = qimport.ErrRefused
	}
	return err
}

func answerWord(passed bool) string {
	if passed {
		return "signed, and enough"
	}
	return "not enough"
}

// writeDemands prints what was asked, and the answers: with quiet only what was not enough.
func writeDemands(w io.Writer, all []attest.Demand, width int, quiet bool) error {
	var rows [][]string
	for _, d := range all {
		word := "ok"
		if !d.Passed {
			word = "NO"
		}
		if !d.Passed || !quiet {
			rows = append(rows, []string{word, d.Name, d.Detail})
		}
	}
	return table.Write(w, width, rows)
}

// writeAttestation prints the answer: with quiet only what was not enough, and the last line.
func writeAttestation(w io.Writer, v qimport.AttestationVerdict, width int, quiet bool) error {
	if err := writeDemands(w, v.Checks, width, quiet); err != nil {
		return err
	}
	for _, note := range v.Notes {
		fprintln(w, "note: %s", note)
	}
	fprintln(w, "%s  %s  %s", v.Name, v.Manifest.Short(), answerWord(v.Passed))
	return nil
}
