package adapter

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"qimport/arch"
	"qimport/convert/safetensors"
	"qimport/internal/untrusted"
)

// mlxConfig is what of mlx-lm's adapter_config.json says how arrays are to be read (0.32,
// tuner/utils.py: load_adapters).
type mlxConfig struct {
	Type       string `json:"fine_tune_type"`
	Parameters struct {
		Rank  int      `json:"rank"`
		Scale *float64 `json:"scale"`
	} `json:"lora_parameters"`
}

// newMLX reads adapter_config.json.
func newMLX(raw []byte) (maker, error) {
	c := mlxConfig{Type: "lora"}
	if err := untrusted.Unmarshal(raw, &c); err != nil {
		return nil, err
	}
	return c, c.check()
}

func (mlxConfig) who() (string, arch.NormForm) { return "mlx-lm", arch.NormsShifted }

func (mlxConfig) fileName() string { return "adapters.safetensors" }

func (c mlxConfig) check() error {
	switch {
	case !slices.Contains([]string{"lora", "dora", "full"}, c.Type):
		return fmt.Errorf("fine_tune_type %q is not supported; supported: lora, dora, full", c.Type)
	case c.Type == "full":
		return nil
	case c.Parameters.Rank < 1 || c.Parameters.Rank > maxRank:
		return fmt.Errorf("lora_parameters: the rank is %d; it is a whole number from 1 to %d", c.Parameters.Rank, maxRank)
	case c.Parameters.Scale == nil || math.IsInf(*c.Parameters.Scale, 0) || math.IsNaN(*c.Parameters.Scale):
		return fmt.Errorf("lora_parameters: there is no scale, without which mlx-lm takes no adapter")
	}
	return nil
}

// read puts the arrays of each module together.
func (c mlxConfig) read(a *Adapter, arrays []safetensors.Tensor) error {
	modules := map[string]*change{}
	for _, t := range arrays {
		if c.Type == "full" {
			a.replaced = append(a.replaced, replacement{t.Name, t.Name})
			continue
		}
		if err := c.readOne(modules, t.Name); err != nil {
			return err
		}
	}
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		m := modules[path]
		switch {
		case m.a == "" || m.b == "":
			return fmt.Errorf("module %s has one of lora_a and lora_b without the other", path)
		case c.Type == "dora" && m.magnitude == "":
			return fmt.Errorf("module %s has no m, but the fine_tune_type of %s is dora", path, configName)
		case c.Type != "dora" && m.magnitude != "":
			return fmt.Errorf("module %s has an m, but the fine_tune_type of %s is %s", path, configName, c.Type)
		}
		a.changes = append(a.changes, *m)
	}
	return nil
}

// readOne puts an array to the module that it is of.
func (c mlxConfig) readOne(modules map[string]*change, name string) error {
	i := strings.LastIndexByte(name, '.')
	path, leaf := name[:max(i, 0)], name[i+1:]
	if path == "" || !slices.Contains([]string{"lora_a", "lora_b", "m"}, leaf) {
		return fmt.Errorf("tensor %s is none of an adapter's: they are called lora_a, lora_b and m", name)
	}
	if modules[path] == nil {
		modules[path] = &change{module: path, mlx: true, rank: c.Parameters.Rank, scale: *c.Parameters.Scale}
	}
	switch m := modules[path]; leaf {
	case "lora_a":
		m.a = name
	case "lora_b":
		m.b = name
	case "m":
		m.magnitude = name
	}
	return nil
}
