package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// importCase is one row of the table: a checkpoint and how it is imported.
type importCase struct {
	model
	title string
	types []string
	peers bool // beside it; mlx_lm.convert takes twelve times the memory of the checkpoint
}

// The cases: the size that the peers were measured at, a MoE cut to four layers, and a model of
// ten thousand small tensors, which measures files and flushes rather than bytes.
var importCases = []importCase{
	{model: model{shape: "0.8b"}, title: "0.8B, 1.5 GB of bf16", types: []string{"nvfp4", "mxfp8", "bf16"}, peers: true},
	{model: model{shape: "35b-a3b", layers: 4}, title: "35B-A3B, four layers, 8.9 GB of bf16", types: []string{"nvfp4"}},
	{model: model{shape: "small-tensors"}, title: "9,807 small tensors, 264 MB of bf16", types: []string{"nvfp4"}},
}

// imports is the table of imports without verification.
func (b bench) imports() (string, error) {
	t := &table{head: []string{"import", "seconds", "where hashing and writing the same output alone takes 1", "peers", "memory at most, of it not mapped"}}
	for _, c := range importCases {
		if b.leaves(c.shape) {
			continue
		}
		checkpoint, err := b.checkpoint(c.model)
		if err != nil {
			return "", err
		}
		for _, kind := range c.types {
			i := importBench{bench: b, checkpoint: checkpoint, kind: kind, peers: c.peers}
			row, err := i.measure()
			if err != nil {
				return "", err
			}
			t.add(append([]string{c.title + ", as " + kind}, row...)...)
		}
	}
	return t.String(), nil
}

// importBench measures one import beside its limit and the peers that are installed.
type importBench struct {
	bench
	checkpoint, kind string
	peers            bool
}

// measure runs import and limit in turn, each as a process, each into a folder of its own.
func (b importBench) measure() ([]string, error) {
	var imports, limits []usage
	for run := range b.n + 1 { // the first pair warms the page cache and is not counted
		dir := filepath.Join(b.dir, outputs, fmt.Sprintf("%s-%s-%d", filepath.Base(b.checkpoint), b.kind, run))
		u, err := timed(nil, b.qimport, b.importArgs(filepath.Join(dir, "store"))...)
		if err != nil {
			return nil, err
		}
		imports = append(imports, u)
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		if u, err = timed(nil, self, "limit", filepath.Join(dir, "store"), filepath.Join(dir, "copied")); err != nil {
			return nil, err
		}
		limits = append(limits, u)
		if err := empty(dir); err != nil {
			return nil, err
		}
	}
	imports, limits = imports[1:], limits[1:]
	took, limit := median(imports), median(limits)
	return []string{fmt.Sprintf("%.2f", took), times(took, limit), b.besides(took), memory(imports...)}, nil
}

// outputs is the folder of what the runs write, removed when all are done.
const outputs = "outputs"

// empty cuts all files in dir to nothing but leaves them: for half a minute after thousands of files
// were removed, ext4 goes past each of their inodes whenever a file is made, which would be measured.
func empty(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return os.Truncate(path, 0)
	})
}

func (b importBench) importArgs(store string) []string {
	args := []string{"import", b.checkpoint, "--name", "bench", "--store", store, "--verify", "none", "--quiet"}
	if b.kind != "bf16" {
		args = append(args, "-q", b.kind)
	}
	return args
}
