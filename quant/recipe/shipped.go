package recipe

import (
	"embed"
	"slices"
	"strings"
)

//go:embed shipped
var shippedFiles embed.FS

// shippedNames are the recipes that come with the program, from the fewest bytes to the most.
var shippedNames = []string{"small", "balanced", "near-lossless"}

// ShippedNames lists the recipes that come with the program, from the fewest bytes to the most.
func ShippedNames() []string { return slices.Clone(shippedNames) }

// Shipped is a recipe that comes with the program.
type Shipped struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// OpenShipped is the recipe of a name, if there is one.
func OpenShipped(name string) (Shipped, bool) {
	if !slices.Contains(shippedNames, name) {
		return Shipped{}, false
	}
	b, err := shippedFiles.ReadFile("shipped/" + name + ".yaml")
	if err != nil {
		panic(err) // it is in the program
	}
	return Shipped{name, string(b)}, true
}

// Parse reads the recipe's text.
func (s Shipped) Parse() (Recipe, error) {
	return Parse(strings.NewReader(s.Text), "recipe "+s.Name)
}

// About is the first sentence of the recipe.
func (s Shipped) About() string {
	line, _, _ := strings.Cut(s.Text, "\n")
	return strings.TrimPrefix(line, "# ")
}
