package source

import (
	"errors"
	"fmt"
	"maps"

	"qimport/arch"
	"qimport/convert/checkpoint"
)

// ErrHeadAlone marks a multi-token-prediction head whose form is not told by the shards that it is in.
var ErrHeadAlone = errors.New("the shards that the head is in do not tell its form")

// OpenHead opens of a checkpoint directory what TakeHead needs, the multi-token-prediction head: shards
// without any of it need not be there. Only a head in release form is known as one by itself, or beside
// a conv1d that is in the same shards: of all others, the error wraps ErrHeadAlone, and OpenDir tells.
func OpenHead(dir string) (*Source, error) {
	c, err := checkpoint.OpenHead(dir)
	if err != nil {
		return nil, refused(dir, err)
	}
	s, err := readHead(c)
	if err != nil {
		return nil, errors.Join(refused(dir, err), c.Close())
	}
	return s, nil
}

func readHead(c *checkpoint.Checkpoint) (*Source, error) {
	config, says, err := readConfigs(c)
	if err != nil {
		return nil, err
	}
	all, err := readArrays(c.Shards, c.Unindexed)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(all, func(name string, _ Part) bool {
		body := arch.Body(name)
		return !arch.IsMTP(body) && arch.RoleOf(body) != arch.Conv
	})
	list, _, err := members(all)
	if err != nil {
		return nil, err
	}
	cl := classifier{config: config, scheme: says, expected: config.Expected(), shards: shardsOf(c.Shards)}
	tensors, err := cl.classifyAll(bundles(all, list))
	if err != nil {
		return nil, err
	}
	inv, err := headInventory(config, c, tensors)
	if err != nil {
		return nil, err
	}
	if err := checkBeside(all, inv); err != nil {
		return nil, err
	}
	s := &Source{inv: inv, shards: c.Shards, file: c.File}
	if err := s.settleColumns(says.columns); err != nil {
		return nil, err
	}
	return s, s.settleHead()
}

// headInventory is takeInventory of a head and, where they lie beside it, of conv1d weights.
func headInventory(config arch.Config, c *checkpoint.Checkpoint, tensors []Tensor) (Inventory, error) {
	inv := Inventory{Origin: c.Dir, Config: config, Shards: shardsOf(c.Shards), Files: c.Files}
	if err := checkBodies(tensors); err != nil {
		return inv, err
	}
	var err error
	if inv.Tensors, err = stackExperts(tensors, config.Experts); err != nil {
		return inv, err
	}
	have := map[string][]int{}
	for _, t := range inv.Tensors {
		have[t.Body] = t.Shape
	}
	inv.checkHead(have)
	inv.Unasked = unasked(config, config.Expected(), inv.Tensors)
	inv.NormForm, err = formOfConv(config.Family, inv.Tensors)
	return inv, err
}

// settleHead tells the form of the head's norms as settleNorms does, as far as it can be told here.
func (s *Source) settleHead() error {
	norms, err := s.readNorms(true)
	if err != nil || !s.inv.Config.Family.Hybrid() || !s.inv.HasHead() {
		return err
	}
	form, raw, _ := formOfValues(norms)
	switch {
	case s.inv.NormForm == arch.NormsRaw:
		form = arch.NormsRaw
	case s.inv.NormForm == arch.NormsPlain && form != arch.NormsRaw:
		return fmt.Errorf("of the head's %d norms %d have means around 0: %w", len(norms), raw, ErrHeadAlone)
	}
	s.inv.HeadForm = form
	s.inv.judgeHead(norms)
	return nil
}
