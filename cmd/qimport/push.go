package main

import (
	"context"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"qimport"
	"qimport/manifest"
	"qimport/manifest/registry"
)

func pushCommand(s stdio) *cli.Command {
	return command(s, "push", "NAME REGISTRY/REPO[:TAG]", "bring a model to an OCI registry", `
Blobs and manifest go as they are, so that the digest stays what it is; --modelpack gives them
ModelPack's media types in place of Ollama's. What the store keeps beside the manifest, the verdict,
goes with it as a referrer. What the registry has already is not sent: the same command goes on where
an earlier one stopped. Credentials are those of docker login and oras login.

Examples:
  qimport push small:nvfp4 registry.example.org/team/small:nvfp4
  qimport push small:nvfp4 localhost:5000/small --modelpack`,
		2, 2, append(registryFlags(), group(storeGroup, &cli.BoolFlag{Name: "modelpack", Usage: "with ModelPack's media types, for its tools and Kubernetes"})...), push)
}

// registryFlags say how a registry is asked.
func registryFlags() []cli.Flag {
	return group(runtimeGroup,
		plainHTTPFlag(),
		&cli.IntFlag{Name: "jobs", Usage: "move `N` blobs at a time", DefaultText: "4"},
	)
}

func plainHTTPFlag() cli.Flag {
	return &cli.BoolFlag{Name: "plain-http", Usage: "speak http, unencrypted\nLeft out, that holds for this machine alone; --plain-http=false: https to it too.", DefaultText: "to this machine alone"}
}

// plainHTTP is what the user says of http, or nil.
func (c call) plainHTTP() *bool {
	if !c.IsSet("plain-http") {
		return nil
	}
	plain := c.Bool("plain-http")
	return &plain
}

// nameAndReference are the arguments of push and pull.
func (c call) nameAndReference() (store *manifest.Store, name manifest.Name, ref registry.Reference, err error) {
	if name, err = manifest.ParseName(c.Args().Get(0)); err != nil {
		return nil, name, ref, err
	}
	if ref, err = registry.ParseReference(c.Args().Get(1)); err != nil {
		return nil, name, ref, err
	}
	store, err = c.openStore()
	return store, name, ref, err
}

func push(ctx context.Context, c call) error {
	store, name, to, err := c.nameAndReference()
	if err != nil {
		return err
	}
	r, err := qimport.Push(ctx, store, name, to, qimport.PushOptions{ModelPack: c.Bool("modelpack"), PlainHTTP: c.plainHTTP(), Jobs: c.Int("jobs"), Watch: c.stdio})
	if err != nil {
		return err
	}
	return c.print(r, func(w io.Writer) error {
		fprintln(w, "%s  %s in %s, %s sent, %.1f s%s", r.Reference, r.Pushed.Short(), plural(r.Blobs, "blob"), size(r.Sent), r.Seconds, with(r.Beside))
		return nil
	})
}

// with says what went along.
func with(files []string) string {
	if len(files) == 0 {
		return ""
	}
	return ", with " + strings.Join(files, ", ")
}
