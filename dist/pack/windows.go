package main

import (
	"debug/pe"
	"io"
	"slices"
	"strings"
)

// dosMagic begins a program for Windows.
const dosMagic = "MZ"

// readPE reads which libraries a program for Windows loads.
func readPE(r io.ReaderAt) (o object, err error) {
	f, err := pe.NewFile(r)
	if err != nil {
		return o, err
	}
	symbols, err := f.ImportedSymbols()
	for _, s := range symbols {
		_, library, _ := strings.Cut(s, ":")
		if library = strings.ToLower(library); !slices.Contains(o.needs, library) {
			o.needs = append(o.needs, library)
		}
	}
	return o, err
}

// ofWindows tells libraries that every Windows has.
func ofWindows(name string) bool {
	return slices.Contains([]string{"kernel32.dll", "ntdll.dll", "advapi32.dll", "ws2_32.dll"}, name)
}
