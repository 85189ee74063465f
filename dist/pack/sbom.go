package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
)

// component is one of a CycloneDX document, as far as one is added here.
type component struct {
	Type     string    `json:"type"`
	Ref      string    `json:"bom-ref"`
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	PURL     string    `json:"purl,omitempty"`
	Licences []licence `json:"licenses"`
}

// licence is one by its SPDX identifier.
type licence struct {
	Licence struct {
		ID string `json:"id"`
	} `json:"license"`
}

// licensed is the list with one licence.
func licensed(id string) []licence {
	one := make([]licence, 1)
	one[0].Licence.ID = id
	return one
}

// ours is the licence of the program itself.
const ours = "MIT"

// completeSBOM gives the Go modules that a binary is built of the licences that notices tells, adds the libraries
// that it loads, and takes out what would differ from one time to the next.
func completeSBOM(file, notices string, libraries []string, made time.Time) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var document map[string]any
	if err := json.Unmarshal(b, &document); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	components, ok := document["components"].([]any)
	if document["bomFormat"] != "CycloneDX" || !ok {
		return fmt.Errorf("%s is no CycloneDX document with components", file)
	}
	if err := license(components, notices); err != nil {
		return err
	}
	for _, text := range libraries {
		c, err := readComponent(text)
		if err != nil {
			return err
		}
		components = append(components, c)
	}
	document["components"] = components
	delete(document, "serialNumber")
	if metadata, ok := document["metadata"].(map[string]any); ok {
		metadata["timestamp"] = made.Format(time.RFC3339)
		if program, ok := metadata["component"].(map[string]any); ok {
			program["licenses"] = licensed(ours)
		}
	}
	if b, err = json.MarshalIndent(document, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

// module is a line of a table of notices: | `PATH` | LICENCE |, and more.
var module = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([A-Za-z0-9.-]+) \\|")

// license gives each component the licence that the tables of a file have for its name. All must be in there.
func license(components []any, notices string) error {
	text, err := os.ReadFile(notices)
	if err != nil {
		return err
	}
	known := map[string]string{}
	for _, row := range module.FindAllStringSubmatch(string(text), -1) {
		known[row[1]] = row[2]
	}
	for _, c := range components {
		c, ok := c.(map[string]any)
		name, _ := c["name"].(string)
		if !ok || known[name] == "" {
			return fmt.Errorf("%s has no licence of %q", notices, name)
		}
		c["licenses"] = licensed(known[name])
	}
	return nil
}

// readComponent reads NAME=VERSION=LICENCE; a name that begins with pypi: is a wheel of that name.
func readComponent(text string) (component, error) {
	parts := strings.Split(text, "=")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return component{}, fmt.Errorf("%q is not NAME=VERSION=LICENCE", text)
	}
	c := component{Type: "library", Ref: parts[0] + "@" + parts[1], Name: parts[0], Version: parts[1], Licences: licensed(parts[2])}
	if name, wheel := strings.CutPrefix(parts[0], "pypi:"); wheel {
		c.Name, c.PURL = name, "pkg:pypi/"+name+"@"+parts[1]
		c.Ref = c.PURL
	}
	return c, nil
}
