package main

import (
	"debug/macho"
	"path/filepath"
	"strings"
)

// From mach-o/nlist.h: bits of a symbol's type, and where its description keeps the library it is
// looked up in, counted from 1 in the order of the load commands.
const (
	symbolIsExternal = 0x01
	symbolType       = 0x0e
	symbolIsDebug    = 0xe0
	libraryOfSymbol  = 8
	mostLibraries    = 253 // above are the program itself and a lookup in all of them
	needsWeak        = 0x40
	symbolTypeUndef  = 0
)

// lookUp notes symbols that an object of a Mac would look up in a library of the folder that has none such.
func lookUp(folder string, all []object) error {
	exports := map[string]map[string]bool{}
	files := map[string]*macho.File{}
	for _, o := range all {
		f, err := macho.Open(filepath.Join(folder, o.path))
		if err != nil {
			continue // of another system
		}
		defer f.Close()
		files[o.path], exports[filepath.Base(o.path)] = f, exported(f)
	}
	for i, o := range all {
		f := files[o.path]
		if f == nil || f.Symtab == nil {
			continue
		}
		for _, s := range f.Symtab.Syms {
			nth := int(s.Desc >> libraryOfSymbol)
			if s.Type&symbolIsDebug != 0 || s.Type&symbolType != symbolTypeUndef || s.Desc&needsWeak != 0 || nth == 0 || nth > mostLibraries || nth > len(o.needs) {
				continue
			}
			library := o.needs[nth-1]
			if symbols, ours := exports[filepath.Base(library)]; ours && strings.HasPrefix(library, "@") && !symbols[s.Name] {
				all[i].loose = append(all[i].loose, "it looks "+s.Name+" up in "+library+", which has none such")
			}
		}
	}
	return nil
}

func exported(f *macho.File) map[string]bool {
	symbols := map[string]bool{}
	if f.Symtab == nil {
		return symbols
	}
	for _, s := range f.Symtab.Syms {
		if s.Type&symbolIsDebug == 0 && s.Type&symbolIsExternal != 0 && s.Type&symbolType != symbolTypeUndef {
			symbols[s.Name] = true
		}
	}
	return symbols
}
