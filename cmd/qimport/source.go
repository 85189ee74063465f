package main

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"qimport/convert/hub"
	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/manifest"
	"qimport/quant/recipe"
	"qimport/verify"
	"qimport/verify/report"
)

// source is an open openedSource and where it was found.
type openedSource struct {
	*source.Source
	found hub.Source
}

// openSource finds what the user named, fetching it if need be, and reads its headers.
func openSource(ctx context.Context, named string) (openedSource, error) {
	found, err := hub.Resolve(ctx, named)
	if err != nil {
		return openedSource{}, err
	}
	opened, err := source.OpenDir(found.Dir)
	return openedSource{opened, found}, err
}

// label names the source in reports: its repository, or the directory's last part.
func (s openedSource) label() string {
	if s.found.Repo != "" {
		return s.found.Repo
	}
	dir, err := filepath.Abs(s.found.Dir)
	if err != nil {
		dir = s.found.Dir
	}
	return filepath.Base(dir)
}

// notInNames is what a model's name cannot hold.
var notInNames = regexp.MustCompile(`[^a-z0-9._-]+`)

// defaultName is the name of an import that was given none: the source's, with the type as tag.
func (s openedSource) defaultName(recipe recipe.Recipe) (manifest.Name, error) {
	label := s.label()
	model := strings.ToLower(label[strings.LastIndexByte(label, '/')+1:])
	model = strings.Trim(notInNames.ReplaceAllString(model, "-"), ".-_")
	tag := manifest.DefaultTag
	if !recipe.Type.IsKeep() {
		tag = notInNames.ReplaceAllString(recipe.Type.String(), "-")
	}
	name, err := manifest.ParseName(model + ":" + tag)
	if err != nil {
		return name, usagef("%q makes no name for a model; choose one with --name", label)
	}
	return name, nil
}

// provenance is what a report says of where a model came from and how it was made. Shards are not
// hashed, which would double the work of an import: of those in the Hugging Face cache the digest is
// known, and of all others there is that of the header.
func (s openedSource) provenance(ctx context.Context, plan plan.Plan, recipe recipe.Recipe) (report.Provenance, error) {
	p := report.Provenance{Source: s.label(), Revision: s.found.Commit, Plan: manifest.DigestOf([]byte(plan.Text(true))).String()}
	var err error
	if p.Files, err = verify.SourceFiles(ctx, s.Source, false); err != nil {
		return p, err
	}
	for i, shard := range plan.Shards {
		p.Files[i].SHA256, _ = hub.Digest(shard.Path)
	}
	p.Rules = append(p.Rules, fmt.Sprintf("policy %s, type %s", recipe.Policy, recipe.Type))
	for _, rule := range recipe.Rules {
		p.Rules = append(p.Rules, rule.String())
	}
	return p, nil
}
