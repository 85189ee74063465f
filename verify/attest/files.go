package attest

import (
	"fmt"

	provenance "github.com/in-toto/attestation/go/predicates/provenance/v1"
	statement "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"qimport/manifest"
)

// FilesBuildType is the build type of plain files: what made them is not known here, only from what.
const FilesBuildType = "urn:qimport:files:v1"

// File is one that a statement is on.
type File struct {
	Name   string          `json:"name"` // without its folder
	SHA256 manifest.Digest `json:"sha256"`
}

// Files are what a statement on plain files says.
type Files struct {
	Files    []File
	Origin                     // the repository, and the commit, that they were built from
	Versions map[string]string // of what signs
}

// FilesStatement is the payload that is signed of plain files: SLSA provenance, with a subject a file.
func FilesStatement(f Files) ([]byte, error) {
	external, err := structpb.NewStruct(withoutEmpty(map[string]any{"source": f.Source, "revision": f.Revision}))
	if err != nil {
		return nil, err
	}
	of := &statement.ResourceDescriptor{Name: f.Source, Uri: f.Source}
	if len(f.Revision) == 40 {
		of.Digest = map[string]string{"gitCommit": f.Revision}
	}
	p := &provenance.Provenance{
		BuildDefinition: &provenance.BuildDefinition{BuildType: FilesBuildType, ExternalParameters: external, ResolvedDependencies: []*statement.ResourceDescriptor{of}},
		RunDetails:      &provenance.RunDetails{Builder: &provenance.Builder{Id: BuilderID, Version: f.Versions}},
	}
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("the provenance of these files cannot be signed: %w", err)
	}
	said, err := compact(p)
	if err != nil {
		return nil, err
	}
	var subjects []*statement.ResourceDescriptor
	for _, file := range f.Files {
		subjects = append(subjects, resource(file.Name, file.SHA256.Hex()))
	}
	return encodePayload("files", subjects, PredicateProvenance, said)
}
