package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// fleetShape is the checkpoint of both tables: eight layers of the large mixture of experts, or the smallest.
func (b bench) fleetShape() model {
	if b.only != "" && b.only != "35b-a3b" {
		return model{shape: b.only}
	}
	return model{shape: "35b-a3b", layers: 8}
}

// variantTypes are what one source is made into.
var variantTypes = []string{"nvfp4", "mxfp8", "int4", "int8"}

// variants is the table of one pass over a source for several variants, as batch makes it, beside as many
// imports one after the other. With -within, both have that much memory for program and page cache together.
func (b bench) variants() (string, error) {
	m := b.fleetShape()
	checkpoint, err := b.checkpoint(m)
	if err != nil {
		return "", err
	}
	var one, each []usage
	for range b.n {
		u, err := b.batchOnce(checkpoint)
		if err != nil {
			return "", err
		}
		one = append(one, u)
		if u, err = b.importEach(checkpoint); err != nil {
			return "", err
		}
		each = append(each, u)
	}
	within := b.within
	if within == "" {
		within = "all"
	}
	t := &table{head: []string{fmt.Sprintf("%d variants of", len(variantTypes)), "memory", "one batch, seconds", "imports one by one, seconds", "batch where those take 1", "batch took at most"}}
	t.add(m.title(), within, fmt.Sprintf("%.1f", median(one)), fmt.Sprintf("%.1f", median(each)), times(median(one), median(each)), memory(one...))
	return t.String(), nil
}

// limited runs qimport, within so much memory where that is asked for.
func (b bench) limited(args ...string) (usage, error) {
	if b.within == "" {
		return timed(nil, b.qimport, args...)
	}
	return timed(nil, "bench/within.sh", append([]string{b.within, b.qimport}, args...)...)
}

// batchOnce makes all variants by one batch.
func (b bench) batchOnce(checkpoint string) (usage, error) {
	dir := filepath.Join(b.dir, outputs, "batch")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return usage{}, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "batch.yaml")
	text := fmt.Sprintf("- source: %q\n  verify: none\n  matrix: {type: [%s]}\n  name: bench:{type}\n", checkpoint, strings.Join(variantTypes, ", "))
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return usage{}, err
	}
	return b.limited("batch", file, "--store", filepath.Join(dir, "store"), "--quiet")
}

// importEach makes them by an import each, into one store.
func (b bench) importEach(checkpoint string) (all usage, err error) {
	dir := filepath.Join(b.dir, outputs, "each")
	defer os.RemoveAll(dir)
	for _, kind := range variantTypes {
		u, err := b.limited("import", checkpoint, "--store", filepath.Join(dir, "store"), "--verify", "none", "--quiet", "-q", kind, "--name", "bench:"+kind)
		if err != nil {
			return all, err
		}
		all.seconds += u.seconds
	}
	return all, nil
}

// partCounts are in how many parts an import is made.
var partCounts = []int{2, 4}

// parts is the table of one import by several processes at once, which share a store, beside one by itself.
func (b bench) parts() (string, error) {
	m := b.fleetShape()
	checkpoint, err := b.checkpoint(m)
	if err != nil {
		return "", err
	}
	t := &table{head: []string{"import as nvfp4", "processes", "seconds", "where one takes 1", "written", "of that twice"}}
	alone := 0.0
	for _, parts := range append([]int{1}, partCounts...) {
		var runs []partsUsage
		for range b.n {
			u, err := b.inParts(checkpoint, parts)
			if err != nil {
				return "", err
			}
			runs = append(runs, u)
		}
		took := middle(runs, func(u partsUsage) float64 { return u.seconds })
		if parts == 1 {
			alone = took
		}
		twice := int64(0)
		for _, u := range runs {
			twice = max(twice, u.written-u.stored)
		}
		t.add(m.title(), fmt.Sprint(parts), fmt.Sprintf("%.2f", took), times(took, alone), size(runs[0].written), fmt.Sprintf("%d bytes", twice))
	}
	return t.String(), nil
}

// partsUsage is what one import by several processes took: what they wrote together, and what is then stored.
type partsUsage struct {
	seconds         float64
	written, stored int64
}

// inParts is one import by so many processes at once; they share out the cores.
func (b bench) inParts(checkpoint string, parts int) (u partsUsage, err error) {
	dir := filepath.Join(b.dir, outputs, "parts")
	store := filepath.Join(dir, "store")
	defer os.RemoveAll(dir)
	jobs := max(1, runtime.NumCPU()/parts)
	began := time.Now()
	var running []*exec.Cmd
	var outs []*strings.Builder
	for i := range parts {
		args := []string{"import", checkpoint, "--store", store, "--name", "bench", "-q", "nvfp4", "--verify", "none", "--quiet", "--json", "--jobs", fmt.Sprint(jobs)}
		if parts > 1 {
			args = append(args, "--part", fmt.Sprintf("%d/%d", i+1, parts))
		}
		cmd, out := exec.Command(b.qimport, args...), &strings.Builder{}
		cmd.Stdout, cmd.Stderr = out, os.Stderr
		if err := cmd.Start(); err != nil {
			return u, err
		}
		running, outs = append(running, cmd), append(outs, out)
	}
	for _, cmd := range running {
		if err := cmd.Wait(); err != nil {
			return u, fmt.Errorf("%q: %w", cmd.Args, err)
		}
	}
	u.seconds = time.Since(began).Seconds()
	for _, out := range outs {
		n, err := written([]byte(out.String()))
		if err != nil {
			return u, err
		}
		u.written += n
	}
	stored, err := folderOf(filepath.Join(store, "blobs"))
	u.stored = stored.bytes
	return u, err
}

// folder is how many files there are in one, and their bytes.
type folder struct {
	files int
	bytes int64
}

func folderOf(dir string) (f folder, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return f, err
		}
		f.files, f.bytes = f.files+1, f.bytes+info.Size()
	}
	return f, err
}
