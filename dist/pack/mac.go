package main

import (
	"debug/macho"
	"fmt"
	"io"
)

// From mach-o/loader.h: load commands that package macho does not name.
const (
	loadWeakDylib    = 0x80000018 // LC_LOAD_WEAK_DYLIB
	loadReexport     = 0x8000001f // LC_REEXPORT_DYLIB
	loadUpward       = 0x80000023 // LC_LOAD_UPWARD_DYLIB
	loadBuildVersion = 0x32       // LC_BUILD_VERSION
)

// readMachO reads what a Mac's loader is told to load, the oldest system that it may be, and whether the
// pages are those that were signed.
func readMachO(r io.ReaderAt) (o object, err error) {
	f, err := macho.NewFile(r)
	if err != nil {
		return o, err
	}
	o.wants = map[string]string{}
	for _, l := range f.Loads {
		switch l := l.(type) {
		case *macho.Rpath:
			o.rpath = append(o.rpath, l.Path)
		case *macho.Dylib:
			o.needs = append(o.needs, l.Name)
		case macho.LoadBytes:
			switch command := f.ByteOrder.Uint32(l); {
			case command == loadWeakDylib || command == loadReexport || command == loadUpward:
				// Package macho does not read them: symbols count these too.
				name, err := nameIn(f, l)
				if err != nil {
					return o, err
				}
				o.needs = append(o.needs, name)
			case command == loadBuildVersion && len(l) >= 16:
				oldest := f.ByteOrder.Uint32(l[12:])
				o.wants["macOS"] = fmt.Sprintf("%d.%d", oldest>>16, oldest>>8&0xff)
			}
		}
	}
	if f.Cpu == macho.CpuArm64 {
		if err := checkSignature(r, f); err != nil {
			o.loose = append(o.loose, err.Error())
		}
	}
	return o, nil
}

// nameIn is the path of a library in a command that loads it.
func nameIn(f *macho.File, l macho.LoadBytes) (string, error) {
	if len(l) >= 12 {
		if at := f.ByteOrder.Uint32(l[8:]); uint64(at) < uint64(len(l)) {
			name := string(l[at:])
			for i, c := range name {
				if c == 0 {
					return name[:i], nil
				}
			}
		}
	}
	return "", fmt.Errorf("a command to load a library has no path")
}
