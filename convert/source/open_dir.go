package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strconv"

	"qimport/arch"
	"qimport/arch/files"
	"qimport/convert/checkpoint"
)

// OpenDir opens a checkpoint directory: it reads every header, config.json and the tokenizer, and
// the small norm vectors, and refuses what is broken, with ErrSource. No other weights are read.
func OpenDir(dir string) (*Source, error) {
	c, err := checkpoint.Open(dir)
	if err != nil {
		return nil, refused(dir, err)
	}
	inv, scheme, err := readCheckpoint(c)
	if err != nil {
		return nil, errors.Join(refused(dir, err), c.Close())
	}
	s := &Source{inv: inv, shards: c.Shards, file: c.File}
	if err := s.check(scheme); err != nil {
		return nil, errors.Join(refused(dir, err), c.Close())
	}
	return s, nil
}

func refused(origin string, err error) error { return fmt.Errorf("%w: %s: %w", ErrSource, origin, err) }

// readConfigs reads what the files beside the shards say of the model, and of how it is quantized.
func readConfigs(c *checkpoint.Checkpoint) (arch.Config, scheme, error) {
	raw, err := c.File(files.Config)
	if errors.Is(err, fs.ErrNotExist) {
		return arch.Config{}, scheme{}, fmt.Errorf("there is no config.json beside the shards: %w", checkpoint.ErrBadCheckpoint)
	}
	if err != nil {
		return arch.Config{}, scheme{}, err
	}
	config, err := arch.ParseConfig(raw)
	if err != nil {
		return arch.Config{}, scheme{}, fmt.Errorf("config.json: %w", err)
	}
	if err := files.CheckKind(c); err != nil {
		return arch.Config{}, scheme{}, err
	}
	says, err := readScheme(c, raw)
	if err != nil {
		return arch.Config{}, scheme{}, err
	}
	return config, says, checkNumber(config, c.Shards)
}

// readCheckpoint makes the inventory of a directory.
func readCheckpoint(c *checkpoint.Checkpoint) (Inventory, scheme, error) {
	config, says, err := readConfigs(c)
	if err != nil {
		return Inventory{}, scheme{}, err
	}
	all, err := readArrays(c.Shards, c.Unindexed)
	if err != nil {
		return Inventory{}, scheme{}, err
	}
	list, dropped, err := members(all)
	if err != nil {
		return Inventory{}, scheme{}, err
	}
	cl := classifier{config: config, scheme: says, expected: config.Expected(), shards: shardsOf(c.Shards)}
	tensors, err := cl.classifyAll(bundles(all, list))
	if err != nil {
		return Inventory{}, scheme{}, err
	}
	inv, err := takeInventory(config, c.Shards, tensors)
	if err != nil {
		return Inventory{}, scheme{}, err
	}
	if err := checkBeside(all, inv); err != nil {
		return Inventory{}, scheme{}, err
	}
	inv.Origin, inv.Files = c.Dir, c.Files
	inv.Notes = append(inv.Notes, c.Notes...)
	inv.noteLeftOut(len(c.Unindexed), dropped, cl.inferred)
	inv.Chat, err = files.Read(c)
	return inv, says, err
}

func readScheme(c *checkpoint.Checkpoint, config []byte) (scheme, error) {
	hfQuant, err := c.File("hf_quant_config.json")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return scheme{}, err
	}
	s, err := parseScheme(config, hfQuant)
	if err != nil || s.method != unquantized {
		return s, err
	}
	return readColumnFile(c)
}

// readColumnFile reads what GPTQ and AWQ tools have beside a config.json without a block, if anything.
func readColumnFile(c *checkpoint.Checkpoint) (scheme, error) {
	for _, f := range columnFiles {
		b, err := c.File(f.name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return scheme{}, err
		}
		block, err := parseObject(b)
		if err == nil && block.str("quant_method") == "" {
			block["quant_method"] = json.RawMessage(strconv.Quote(f.method))
		}
		if err != nil {
			return scheme{}, fmt.Errorf("%s: %w", f.name, err)
		}
		s, err := parseBlock(block)
		if err != nil {
			return scheme{}, fmt.Errorf("%s: %w", f.name, err)
		}
		return s, nil
	}
	return scheme{}, nil
}

func (c *classifier) classifyAll(bundles iter.Seq[*bundle]) ([]Tensor, error) {
	var tensors []Tensor
	for b := range bundles {
		t, err := c.classify(b)
		if err != nil {
			return nil, err
		}
		tensors = append(tensors, t)
	}
	return tensors, nil
}

// noteLeftOut says what a checkpoint has that the inventory has not, or had to guess.
func (inv *Inventory) noteLeftOut(unindexed, activations, inferred int) {
	if unindexed > 0 {
		inv.note("%d tensors that the index does not list are left out", unindexed)
	}
	if activations > 0 {
		inv.note("%d scales of activations are left out: only the weights are quantized here", activations)
	}
	if inferred > 0 {
		inv.note("the config does not say how %d quantized tensors are encoded: their arrays do", inferred)
	}
}

// check holds the tokenizer to the model, and settles the form of the norms.
func (s *Source) check(says scheme) error {
	if err := s.checkTokenizer(); err != nil {
		return err
	}
	if err := s.settleBiases(); err != nil {
		return err
	}
	if err := s.settleColumns(says.columns); err != nil {
		return err
	}
	return s.settleNorms()
}
