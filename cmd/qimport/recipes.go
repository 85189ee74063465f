package main

import (
	"context"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"qimport/internal/spelling"
	"qimport/internal/table"
	"qimport/quant/recipe"
)

func recipesCommand(s stdio) *cli.Command {
	return command(s, "recipes", "[NAME]", "list the recipes that are shipped, or print one", `
Recipes for import, plan and batch files, with --recipe NAME. A file of that name in the current folder goes
before them. What is printed is a recipe file: kept and changed, it is one of your own.

Examples:
  qimport recipes
  qimport recipes small
  qimport plan ./Qwen3.5-0.8B --recipe small
  qimport recipes balanced >mine.yaml`,
		0, 1, nil, func(_ context.Context, c call) error {
			if c.NArg() == 0 {
				return listRecipes(c)
			}
			name := c.Args().First()
			shipped, ok := recipe.OpenShipped(name)
			if !ok {
				names := recipe.ShippedNames()
				return usagef("no recipe of the name %q is shipped%s; there are %s", name, spelling.DidYouMean(name, names), strings.Join(names, ", "))
			}
			return c.print(shippedRecipe{1, shipped}, func(w io.Writer) error {
				_, err := io.WriteString(w, shipped.Text)
				return err
			})
		})
}

// shippedRecipe is the result where one is named.
type shippedRecipe struct {
	Schema int `json:"schema"`
	recipe.Shipped
}

// shippedList is the result of a list.
type shippedList struct {
	Schema  int              `json:"schema"`
	Recipes []recipe.Shipped `json:"recipes"`
}

func listRecipes(c call) error {
	list := shippedList{Schema: 1}
	rows := [][]string{{"recipe", "what it gives"}}
	for _, name := range recipe.ShippedNames() {
		shipped, _ := recipe.OpenShipped(name)
		list.Recipes = append(list.Recipes, shipped)
		rows = append(rows, []string{shipped.Name, shipped.About()})
	}
	return c.print(list, func(w io.Writer) error { return table.Write(w, c.width(), rows) })
}
