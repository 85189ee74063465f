package docs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const notices = "THIRD_PARTY_NOTICES.md"

// module is one that the program or its tests are built from.
type module struct{ path, dir string }

// row is its line of the table.
func (m module) row(t *testing.T) string {
	t.Helper()
	text := licenceText(t, m)
	return fmt.Sprintf("| `%s` | %s | %s |\n", m.path, licenceOf(t, m, text), strings.Join(copyrights(text), "; "))
}

// modules lists the modules of the packages that a pattern needs, but for our own, sorted.
func modules(t *testing.T, args ...string) []module {
	t.Helper()
	const format = `{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}`
	var all []module
	for line := range strings.Lines(goTool(t, append([]string{"list", "-f", format}, args...)...)) {
		if path, dir, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			all = append(all, module{path, dir})
		}
	}
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.path, b.path) })
	return slices.Compact(all)
}

// licenceText is the licence file of a module.
func licenceText(t *testing.T, m module) string {
	t.Helper()
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := strings.ToLower(e.Name()); strings.HasPrefix(name, "licen") || strings.HasPrefix(name, "copying") {
			b, err := os.ReadFile(filepath.Join(m.dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
	}
	t.Fatalf("module %s has no licence file", m.path)
	return ""
}

// licenceOf knows a licence by its sentences.
func licenceOf(t *testing.T, m module, text string) string {
	t.Helper()
	text = strings.Join(strings.Fields(text), " ")
	switch {
	case strings.Contains(text, "Apache License Version 2.0"), strings.HasPrefix(text, "Copyright 2021 in-toto Developers Licensed under the Apache License, Version 2.0"):
		return "Apache-2.0"
	case strings.Contains(text, "Permission is hereby granted, free of charge"):
		return "MIT"
	case !strings.Contains(text, "Redistribution and use in source and binary forms"):
		t.Fatalf("module %s: a licence that this test does not know; read it first", m.path)
	case strings.Contains(text, "endorse or promote"):
		return "BSD-3-Clause"
	}
	return "BSD-2-Clause"
}

var (
	copyrightLine = regexp.MustCompile(`(?im)^[> ]*(copyright (?:\(c\)|©|\d).*)$`)
	notOfTheName  = regexp.MustCompile(`(?i)\s*(<\S+@\S+>|all rights reserved\.?)`)
)

// copyrights are the lines that say who holds the rights.
func copyrights(text string) []string {
	var lines []string
	for _, m := range copyrightLine.FindAllStringSubmatch(text, -1) {
		line := strings.Join(strings.Fields(notOfTheName.ReplaceAllString(m[1], "")), " ")
		lines = append(lines, strings.TrimSuffix(line, "."))
	}
	return lines
}

// TestNotices holds the tables of modules to what is linked and what the tests are built from.
func TestNotices(t *testing.T) {
	linked := modules(t, "-deps", "./cmd/qimport")
	onlyTests := slices.DeleteFunc(modules(t, "-deps", "-test", "./..."), func(m module) bool { return slices.Contains(linked, m) })
	holdPart(t, notices, "linked", table(t, linked))
	holdPart(t, notices, "tests", table(t, onlyTests))
}

// table is a table of modules. The marker stands before its head, since a comment would end it.
func table(t *testing.T, modules []module) string {
	t.Helper()
	rows := "| module | licence | copyright |\n|---|---|---|\n"
	for _, m := range modules {
		rows += m.row(t)
	}
	return rows
}

// TestNoticesNameRequirements: every module that go.mod requires directly is named.
func TestNoticesNameRequirements(t *testing.T) {
	text := read(t, notices)
	for line := range strings.Lines(read(t, "go.mod")) {
		path, rest, ok := strings.Cut(strings.TrimSpace(line), " v")
		if !ok || strings.Contains(rest, "// indirect") {
			continue
		}
		if path = strings.TrimPrefix(path, "require "); !strings.Contains(text, "`"+path+"`") {
			t.Errorf("%s does not name %s, which go.mod requires", notices, path)
		}
	}
}

// TestNoticesNameLibraries: every shared library that setup has put under lib/ is named, but for
// NVIDIA's, which are named as a whole.
func TestNoticesNameLibraries(t *testing.T) {
	text := read(t, notices)
	lib, err := filepath.EvalSymlinks(filepath.Join(root, "lib"))
	if err != nil {
		t.Skip("there is no lib/: make setup brings it")
	}
	err = filepath.WalkDir(lib, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && e.Name() == "nvidia" {
			return fs.SkipDir
		}
		name, _, shared := strings.Cut(e.Name(), ".so")
		if stem, _, hashed := strings.Cut(name, "-"); hashed {
			name = stem
		}
		if shared && !strings.Contains(text, name) {
			t.Errorf("%s does not name %s", notices, path)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
