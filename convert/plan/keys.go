package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"qimport/arch/files"
	"qimport/convert/source"
)

// Key is a key that config.json gets at its top on its way into the store, and its value as JSON.
type Key struct{ Name, Value string }

// topKeys are what Ollama looks for at the top of config.json and nowhere else, where the source says it
// elsewhere or leaves it to model_type.
func topKeys(inv source.Inventory) []Key {
	var keys []Key
	c := inv.Config
	if usual := c.UsualArchitecture(); c.Architecture == "" && usual != "" {
		keys = append(keys, Key{"architectures", `["` + usual + `"]`})
	}
	if c.RoPE.Theta > 0 && !c.Family.Hybrid() && !c.ThetaOnTop { // hybrids are read in both places
		keys = append(keys, Key{"rope_theta", strconv.FormatFloat(c.RoPE.Theta, 'f', -1, 64)})
	}
	return keys
}

// StoredFile is a file of the source as the store has it: config.json with keys that Ollama looks for, all
// others as they are.
func StoredFile(inv source.Inventory, name string, content []byte) ([]byte, error) {
	return Plan{Keys: topKeys(inv)}.Stored(name, content)
}

// Stored is a file of the source as the plan stores it.
func (p Plan) Stored(name string, content []byte) ([]byte, error) {
	if name != files.Config {
		return content, nil
	}
	return addKeys(content, p.Keys)
}

// addKeys writes keys before the first of an object, set in as that is, and leaves every other byte alone.
func addKeys(content []byte, keys []Key) ([]byte, error) {
	if len(keys) == 0 {
		return content, nil
	}
	open := bytes.IndexByte(content, '{')
	if open < 0 {
		return nil, fmt.Errorf("%w: config.json is no object", source.ErrSource)
	}
	rest := content[open+1:]
	space := rest[:len(rest)-len(bytes.TrimLeft(rest, " \t\r\n"))]
	last := len(keys) - 1
	if bytes.HasPrefix(rest[len(space):], []byte("}")) {
		last-- // nothing comes after
	}
	var out bytes.Buffer
	out.Write(content[:open+1])
	for i, k := range keys {
		fmt.Fprintf(&out, "%s%q: %s", space, k.Name, k.Value)
		if i <= last {
			out.WriteByte(',')
		}
	}
	out.Write(rest)
	if !json.Valid(out.Bytes()) { // it was no object
		return nil, fmt.Errorf("%w: config.json takes no keys", source.ErrSource)
	}
	return out.Bytes(), nil
}

// warnKeys says what is added.
func warnKeys(keys []Key) []string {
	var out []string
	for _, k := range keys {
		out = append(out, fmt.Sprintf("config.json gets %s %s at its top, where Ollama looks for it; the model stays the same", k.Name, k.Value))
	}
	return out
}
