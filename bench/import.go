package main

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"
)

// importCase is one row of the table: a checkpoint and how it is imported.
type importCase struct {
	shape  string
	layers int // 0: all
	types  []string
	peers  bool // beside it; mlx_lm.convert takes twelve times the memory of the checkpoint
}

// The cases: the size that the peers were measured at, a MoE cut to four layers, and a model of
// ten thousand small tensors, which measures files and flushes rather than bytes.
var importCases = []importCase{
	{shape: "0.8b", types: []string{"nvfp4", "mxfp8", "bf16"}, peers: true},
	{shape: "35b-a3b", layers: 4, types: []string{"nvfp4"}},
	{shape: "small-tensors", types: []string{"nvfp4"}},
}

func importCommand(args []string) error {
	flags := flag.NewFlagSet("import", flag.ContinueOnError)
	runs := flags.Int("n", 5, "runs of each")
	dir := flags.String("dir", filepath.Join(os.TempDir(), "qimport-bench"), "a `folder` for checkpoints and stores")
	qimport := flags.String("qimport", "bin/qimport", "the built binary")
	only := flags.String("only", "", "one shape: "+shapeNames())
	if err := flags.Parse(args); err != nil {
		return err
	}
	defer os.RemoveAll(filepath.Join(*dir, outputs))
	if err := os.RemoveAll(filepath.Join(*dir, outputs)); err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "shape\ttype\timport\tlimit\tratio\tpeak MB\tpeers\t")
	for _, c := range importCases {
		if *only != "" && c.shape != *only {
			continue
		}
		checkpoint, err := c.checkpoint(*dir)
		if err != nil {
			return err
		}
		for _, kind := range c.types {
			b := importBench{qimport: *qimport, checkpoint: checkpoint, kind: kind, dir: *dir, runs: *runs, peers: c.peers}
			row, err := b.measure()
			if err != nil {
				return err
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t", c.shape, kind, row)
			fmt.Fprintln(table)
		}
	}
	return table.Flush()
}

// checkpoint makes the case's checkpoint where it is not there yet. It is written beside its name
// and renamed, so that an interrupted run leaves nothing that looks whole.
func (c importCase) checkpoint(dir string) (string, error) {
	name := c.shape
	s := shapes[c.shape]
	if c.layers > 0 {
		s.Layers = c.layers
		name += fmt.Sprintf("-%d-layers", c.layers)
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fmt.Fprintf(os.Stderr, "writing %s\n", path)
	if err := os.RemoveAll(path + ".part"); err != nil {
		return "", err
	}
	if err := s.release().write("testdata/qwen3.5-bf16", path+".part"); err != nil {
		return "", err
	}
	return path, os.Rename(path+".part", path)
}

// importBench measures one import beside its limit and the peers that are installed.
type importBench struct {
	qimport, checkpoint, kind, dir string
	runs                           int
	peers                          bool
}

// measure runs import and limit in turn, each as a process, each into a folder of its own.
func (b importBench) measure() (string, error) {
	var imports, limits []usage
	for run := range b.runs + 1 { // the first pair warms the page cache and is not counted
		dir := filepath.Join(b.dir, outputs, fmt.Sprintf("%s-%s-%d", filepath.Base(b.checkpoint), b.kind, run))
		u, err := timed(nil, b.qimport, b.importArgs(filepath.Join(dir, "store"))...)
		if err != nil {
			return "", err
		}
		imports = append(imports, u)
		self, err := os.Executable()
		if err != nil {
			return "", err
		}
		if u, err = timed(nil, self, "limit", filepath.Join(dir, "store"), filepath.Join(dir, "copied")); err != nil {
			return "", err
		}
		limits = append(limits, u)
		if err := empty(dir); err != nil {
			return "", err
		}
	}
	imports, limits = imports[1:], limits[1:]
	took, limit := median(imports), median(limits)
	return fmt.Sprintf("%.2f s\t%.2f s\t%.2f\t%d\t%s", took, limit, took/limit, peak(imports)>>20, b.besides(took)), nil
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
