package plan

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"qimport/convert/converttest"
	"qimport/convert/source"
)

// TestSources holds the table of docs/sources.md to the program's list.
func TestSources(t *testing.T) {
	const name, begin, end = "../../docs/sources.md", "<!-- schemes -->\n", "<!-- end -->"
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(b), begin)
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("%s has no table of schemes", name)
	}
	var s strings.Builder
	s.WriteString("| producer | scheme | imported | as, or why not |\n|---|---|---|---|\n")
	for _, scheme := range source.Schemes() {
		fmt.Fprintf(&s, "| %s | %s | %s | %s |\n", scheme.Producer, scheme.Name, scheme.Fate, scheme.Becomes)
	}
	converttest.Golden(t, name, before+begin+s.String()+end+after)
}
