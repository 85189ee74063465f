// Command site makes the pages of docs/ into a folder of HTML: one template, links that work from a
// file system, nothing loaded from elsewhere. A link that leads nowhere is an error, and nothing is
// said to be done.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	root := flag.String("root", ".", "the repository")
	out := flag.String("out", "docs/out", "the folder to write")
	source := flag.String("source", os.Getenv("SOURCE"), "where the repository's files can be read, such as https://example.org/qimport/blob/main; without it files that are no pages are named, not linked")
	flag.Parse()
	pages, err := build(*root, *out, *source)
	if err != nil {
		fmt.Fprintln(os.Stderr, "site:", err)
		os.Exit(1)
	}
	fmt.Printf("%d pages in %s: open %s/index.html\n", pages, *out, *out)
}
