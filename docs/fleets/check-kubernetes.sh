#!/bin/sh
# Holds kubernetes.yaml to the API's own types, strictly: a key that Job does not have is an error. It needs
# Go and its module proxy, and makes nothing in the repository.
set -eu
manifest=$(realpath "${1:-$(dirname "$0")/kubernetes.yaml}")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	batch "k8s.io/api/batch/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	text, err := os.ReadFile(os.Args[1])
	var job batch.Job
	if err == nil {
		err = yaml.UnmarshalStrict(text, &job)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%s %s: %s, %d completions\n", job.Kind, job.Name, *job.Spec.CompletionMode, *job.Spec.Completions)
}
GO
go mod init check >/dev/null 2>&1
go get k8s.io/api@v0.37.2 sigs.k8s.io/yaml@v1.6.0 2>/dev/null
go run -mod=mod . "$manifest"
