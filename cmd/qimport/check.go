package main

import (
	"context"
	"io"

	"github.com/urfave/cli/v2"

	"qimport"
	"qimport/manifest"
)

func checkCommand(s stdio) *cli.Command {
	return command(s, "check", "", "read the whole store and compare every blob with its digest", `
Names all damage, and the models that cannot be relied upon for it; signed statements are held to the
manifests that they lie beside, signatures are for check-attestation. Nothing is changed, unless
--repair names the source that damaged models were imported from: then their blobs are made anew,
to the very digest, in whatever format it takes. What else the models were made from, adapters, another's
head, a calibration and a Modelfile, is named as for import.

Examples:
  qimport check
  qimport check --repair ./Qwen3.5-0.8B
  qimport check --repair ./Qwen3.5-0.8B --adapter ./style=0.5
  qimport check --json | jq '.damage[].names'`,
		0, 0, group(sourceGroup,
			&cli.StringFlag{Name: "repair", Usage: "make damaged and missing blobs anew from `SOURCE`"},
			adapterFlag(), mtpFromFlag(), calibrationFlag(),
			&cli.StringFlag{Name: "modelfile", Usage: "`FILE` with what was laid over the models that are repaired"},
		), check)
}

// damaged is one thing that check found wrong, as scripts read it.
type damaged struct {
	Path    string          `json:"path"`
	Names   []manifest.Name `json:"names"`
	Problem string          `json:"problem"`
}

// checkedStore is the result: what was read, and what is damaged.
type checkedStore struct {
	Schema    int       `json:"schema"`
	Manifests int       `json:"manifests"`
	Blobs     int       `json:"blobs"`
	Bytes     int64     `json:"bytes"`
	Unnamed   int       `json:"unnamed"`
	Attested  int       `json:"attestations"` // signed statements that were read
	Damage    []damaged `json:"damage"`       // that is there still
	Repaired  []damaged `json:"repaired"`     // that was there
}

func check(ctx context.Context, c call) error {
	store, err := c.openStore()
	if err != nil {
		return err
	}
	var r qimport.RepairResult
	o := qimport.RepairOptions{
		Source: c.String("repair"), Adapters: c.StringSlice("adapter"), MTPFrom: c.String("mtp-from"), Modelfile: c.String("modelfile"), Calibration: c.String("calibration"), Watch: c.stdio,
	}
	switch {
	case o.Source != "":
		r, err = qimport.Repair(ctx, store, o)
	case len(o.Adapters) > 0 || o.MTPFrom != "" || o.Modelfile != "" || o.Calibration != "":
		return usagef("--adapter, --mtp-from, --calibration and --modelfile say more of what --repair names, which is missing")
	default:
		r.Found, err = qimport.Check(ctx, store, c.stdio)
		r.Left = r.Found.Damage
	}
	if err != nil {
		return err
	}
	document := checkedStore{1, r.Found.Manifests, r.Found.Blobs, r.Found.Bytes, r.Found.Unnamed, r.Found.Statements, damagedOf(r.Left), damagedOf(r.Repaired)}
	err = c.print(document, func(w io.Writer) error {
		fprintln(w, "%s, %s, %s read; %s without a name; %d found damaged", plural(r.Found.Manifests, "model"), plural(r.Found.Blobs, "blob"),
			size(r.Found.Bytes), plural(r.Found.Unnamed, "blob"), len(r.Found.Damage))
		if len(r.Repaired) > 0 {
			fprintln(w, "%s repaired", plural(len(r.Repaired), "blob"))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.Err()
}

func damagedOf(all []manifest.Damage) []damaged {
	out := []damaged{}
	for _, d := range all {
		out = append(out, damaged{d.Path, append([]manifest.Name{}, d.Names...), d.Problem})
	}
	return out
}
