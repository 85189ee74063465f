package main

import (
	"encoding/json"
	"fmt"
	"os"
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

type licence struct {
	Licence struct {
		ID string `json:"id"`
	} `json:"license"`
}

// completeSBOM adds the libraries that a binary loads to the list of Go modules that it is built of, and
// takes out what would differ from one time to the next.
func completeSBOM(file string, libraries []string, made time.Time) error {
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
	}
	if b, err = json.MarshalIndent(document, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

// readComponent reads NAME=VERSION=LICENCE; a name that begins with pypi: is a wheel of that name.
func readComponent(text string) (component, error) {
	parts := strings.Split(text, "=")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return component{}, fmt.Errorf("%q is not NAME=VERSION=LICENCE", text)
	}
	c := component{Type: "library", Ref: parts[0] + "@" + parts[1], Name: parts[0], Version: parts[1], Licences: make([]licence, 1)}
	if name, wheel := strings.CutPrefix(parts[0], "pypi:"); wheel {
		c.Name, c.PURL = name, "pkg:pypi/"+name+"@"+parts[1]
		c.Ref = c.PURL
	}
	c.Licences[0].Licence.ID = parts[2]
	return c, nil
}
