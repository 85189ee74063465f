package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"qimport"
	"qimport/arch"
	"qimport/convert/calibration"
	"qimport/convert/checkpoint"
	"qimport/convert/safetensors"
	"qimport/convert/source"
	"qimport/manifest"
	"qimport/manifest/registry"
	"qimport/quant"
	"qimport/quant/recipe"
	"qimport/runtime/mlx"
	"qimport/verify/attest"
)

// The exit statuses, which scripts rely on.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3 // whole, but the verification said no
	exitInterrupted = 130
)

// errUsage marks a command line that cannot be carried out as it is written.
var errUsage = errors.New("wrong usage")

// usage is an error in the command line; its text needs no prefix.
type usage struct{ error }

func (u usage) Unwrap() []error { return []error{errUsage, u.error} }

// usagef makes an error that is the user's to correct in the command line.
func usagef(format string, args ...any) error { return usage{fmt.Errorf(format, args...)} }

// outcome says what a kind of error means for the exit status, and what to do about it.
type outcome struct {
	sentinel error
	status   int
	hint     string
}

// outcomes are looked through in order; the first that an error is, counts.
func outcomes() []outcome {
	return []outcome{
		{context.Canceled, exitInterrupted, "what is finished is kept: the same command goes on from there"},
		{qimport.ErrRefused, exitRefused, ""},
		{qimport.ErrOllama, exitFailed, "nothing was written; without --for it is imported for qimport alone"},
		{errUsage, exitUsage, ""},
		{qimport.ErrOptions, exitUsage, ""},
		{attest.ErrKey, exitUsage, ""},
		{attest.ErrPolicy, exitUsage, ""},
		{recipe.ErrRecipe, exitUsage, "qimport plan SOURCE --all lists the tensors and the rule that decided each"},
		{quant.ErrFormat, exitUsage, ""},
		{manifest.ErrBadName, exitUsage, "a name is [HOST/][NAMESPACE/]MODEL[:TAG]"},
		{registry.ErrReference, exitUsage, ""},
		{registry.ErrDenied, exitFailed, "log in first: docker login REGISTRY, or oras login REGISTRY"},
		{registry.ErrAbsent, exitFailed, ""},
		{registry.ErrDamaged, exitFailed, "nothing was published; what came whole is kept: the same command fetches the rest again"},
		{registry.ErrContent, exitFailed, "nothing was published"},
		{registry.ErrUnusable, exitFailed, "what is finished is kept: the same command goes on from there"},
		{qimport.ErrNotDone, exitFailed, "the same command without --status does what is left"},
		{qimport.ErrDialect, exitFailed, ""},
		{manifest.ErrNotFound, exitFailed, "qimport list shows the models of the store; a directory needs a slash: ./DIR"},
		{manifest.ErrNoSpace, exitFailed, "free some room (qimport gc), or choose another disk with --store"},
		{manifest.ErrLocked, exitFailed, "wait until it has ended"},
		{mlx.ErrNoMLX, exitFailed, "everything but running a model works without MLX: --verify none, verify --level blobs"},
		{calibration.ErrCalibration, exitFailed, "qimport calibrate SOURCE --out FILE makes one"},
		{safetensors.ErrTruncated, exitFailed, "fetch that file again; what is finished is kept"},
		{checkpoint.ErrBadCheckpoint, exitFailed, "compare the directory with the published one; a download may have stopped halfway"},
		{arch.ErrUnsupported, exitFailed, "nothing was written; qimport imports only what its own runtime can run and prove"},
		{source.ErrScheme, exitFailed, "nothing was published; take the release that it was made from, or a conversion to a scheme that docs/sources.md lists"},
		{source.ErrSource, exitFailed, "nothing was published; if the source should be sound, compare its files with the published ones by size and SHA-256"},
		{manifest.ErrDamaged, exitFailed, "qimport check --repair SOURCE makes it anew from what it was imported from; so does importing the models named again"},
		{qimport.ErrReport, exitFailed, "name another place for it"},
		{fs.ErrPermission, exitFailed, "the store may belong to another user (Ollama's own, often): run it as that user, or choose --store"},
	}
}

// exitStatus is the exit status of an error, nil included, and what to do about it.
func exitStatus(ctx context.Context, err error) (status int, hint string) {
	if err == nil {
		return exitDone, ""
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	for _, o := range outcomes() {
		if errors.Is(err, o.sentinel) {
			return o.status, o.hint
		}
	}
	return exitFailed, ""
}
