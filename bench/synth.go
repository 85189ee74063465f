package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// shardBytes is where a new shard begins, as the releases' writers cut them.
const shardBytes = 2_000_000_000

func synthCommand(args []string) error {
	flags := flag.NewFlagSet("synth", flag.ContinueOnError)
	layers := flags.Int("layers", 0, "cut the model to so many layers")
	nvfp4 := flags.Bool("nvfp4", false, "as mlx-lm makes it of a release, packed in nvfp4")
	tokenizer := flags.String("tokenizer", "testdata/qwen3.5-bf16", "a `folder` whose tokenizer files are copied")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, ok := shapes[flags.Arg(0)]
	if !ok || flags.NArg() != 2 {
		return fmt.Errorf("usage: bench synth [-layers N] [-nvfp4] SHAPE DIR, SHAPE one of %s", shapeNames())
	}
	if *layers > 0 {
		s.Layers = *layers
	}
	made := s.release()
	if *nvfp4 {
		made = s.packed()
	}
	return made.write(*tokenizer, flags.Arg(1))
}

// checkpoint is what one consists of.
type checkpoint struct {
	tensors []tensor
	config  map[string]any
}

func (s shape) release() checkpoint { return checkpoint{s.tensors(), s.config()} }

// write makes a checkpoint of random weights. Names, shapes, dtypes, shards and config are those
// of the real ones; the weights mean nothing, yet no two tensors are the same.
func (c checkpoint) write(tokenizer, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	shards := cut(c.tensors)
	pools := pools{}
	index := map[string]string{}
	for i, shard := range shards {
		name := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(shards))
		if err := writeShard(filepath.Join(dir, name), shard, pools); err != nil {
			return err
		}
		for _, t := range shard {
			index[t.name] = name
		}
	}
	if err := writeJSON(filepath.Join(dir, "model.safetensors.index.json"), map[string]any{"weight_map": index}); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(dir, "config.json"), c.config); err != nil {
		return err
	}
	return copyTokenizer(tokenizer, dir)
}

func cut(list []tensor) [][]tensor {
	shards, size := [][]tensor{nil}, int64(0)
	for _, t := range list {
		last := len(shards) - 1
		if size+t.bytes() > shardBytes && len(shards[last]) > 0 {
			shards, size, last = append(shards, nil), 0, last+1
		}
		shards[last] = append(shards[last], t)
		size += t.bytes()
	}
	return shards
}

func writeShard(path string, shard []tensor, pools pools) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := writeHeader(w, shard); err != nil {
		return err
	}
	for _, t := range shard {
		if err := pools.write(w, t); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

func writeHeader(w io.Writer, shard []tensor) error {
	header := map[string]any{"__metadata__": map[string]string{"format": "pt"}}
	var at int64
	for _, t := range shard {
		header[t.name] = map[string]any{"dtype": t.kind(), "shape": t.shape, "data_offsets": []int64{at, at + t.bytes()}}
		at += t.bytes()
	}
	b, err := json.Marshal(header)
	if err != nil {
		return err
	}
	for len(b)%8 != 0 {
		b = append(b, ' ')
	}
	if err := binary.Write(w, binary.LittleEndian, uint64(len(b))); err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

func copyTokenizer(from, to string) error {
	for _, name := range []string{"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}
