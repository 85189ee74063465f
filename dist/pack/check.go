package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// object is a program or library of the folder, as far as loading it goes.
type object struct {
	path  string   // in the folder
	needs []string // names of libraries; on a Mac, paths
	rpath []string
	wants map[string]string // the newest version of each system interface: GLIBC to 2.34, macOS to 14.0
	loose []string          // on a Mac, what is wrong besides: symbols that no library of the folder has, a page that was not signed
}

// check holds a folder to what a machine needs to load it: every library is in the folder, at a place
// that the loader looks at, or is the system's own. What the system must have is told.
func check(folder string, out io.Writer) error {
	objects, err := readObjects(folder)
	if err != nil {
		return err
	}
	if len(objects) == 0 {
		return fmt.Errorf("there is no program and no library in %s", folder)
	}
	return judge(objects, out)
}

func judge(objects []object, out io.Writer) error {
	there := map[string]bool{}
	for _, o := range objects {
		there[o.path] = true
	}
	var faults []error
	wants, system := map[string]string{}, map[string]bool{}
	for _, o := range objects {
		for _, r := range o.rpath {
			if !relative(r) {
				faults = append(faults, fmt.Errorf("%s looks for libraries in %s, which is a place of the machine that built it", o.path, r))
			}
		}
		for _, name := range o.needs {
			switch {
			case ofSystem(name):
				system[name] = true
			case !slices.ContainsFunc(places(o, objects, name), func(p string) bool { return there[p] }):
				faults = append(faults, fmt.Errorf("%s needs %s, which is neither in the folder where it looks nor the system's", o.path, name))
			}
		}
		for _, s := range o.loose {
			faults = append(faults, fmt.Errorf("%s: %s", o.path, s))
		}
		for name, v := range o.wants {
			if semver.Compare("v"+v, "v"+wants[name]) > 0 {
				wants[name] = v
			}
		}
	}
	fmt.Fprintf(out, "%d programs and libraries; of the system:\n", len(objects))
	for _, name := range sortedKeys(system) {
		fmt.Fprintln(out, "  ", name)
	}
	for _, name := range sortedKeys(wants) {
		fmt.Fprintln(out, "  ", name, wants[name])
	}
	return errors.Join(faults...)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// origins are what a loader reads as the place of the object itself, or of the program.
var origins = []string{"$ORIGIN", "@loader_path", "@executable_path"}

func relative(rpath string) bool {
	return slices.ContainsFunc(origins, func(o string) bool { return rpath == o || strings.HasPrefix(rpath, o+"/") })
}

// places are where in the folder a library that an object needs may lie. What a program or library that
// needs this one has loaded before is found by its name alone on Linux; it is not counted on.
func places(o object, all []object, name string) []string {
	base, found := filepath.Base(name), []string{}
	if strings.HasPrefix(name, "@loader_path/") {
		return []string{inFolder(o.path, name)}
	}
	paths := o.rpath
	if strings.HasPrefix(name, "@rpath/") { // a Mac looks along the paths of whoever loads, too
		for _, other := range all {
			for _, n := range other.needs {
				if filepath.Base(n) == filepath.Base(o.path) {
					for _, r := range other.rpath {
						found = append(found, filepath.Join(inFolder(other.path, r), base))
					}
				}
			}
		}
	}
	for _, r := range paths {
		found = append(found, filepath.Join(inFolder(o.path, r), base))
	}
	return found
}

// inFolder is where a path that begins at an object leads.
func inFolder(object, path string) string {
	for _, o := range origins {
		if rest, ok := strings.CutPrefix(path, o); ok {
			return filepath.Join(filepath.Dir(object), rest)
		}
	}
	return path
}

// ofSystem tells libraries that every Linux with a C++ runtime has, macOS's and Windows' own, and those of
// NVIDIA, which a package for its GPUs leaves to the system.
func ofSystem(name string) bool {
	if strings.HasPrefix(name, "/usr/lib/") || strings.HasPrefix(name, "/System/Library/") || ofWindows(name) {
		return true
	}
	for _, lib := range []string{"libc.so", "libm.so", "libdl.so", "libpthread.so", "librt.so", "libresolv.so", "libstdc++.so", "libgcc_s.so",
		"ld-linux", "libcuda.so", "libcudart.so", "libcublas", "libcudnn", "libcufft", "libnvrtc", "libnccl", "libnvJitLink"} {
		if strings.HasPrefix(name, lib) {
			return true
		}
	}
	return false
}

// readObjects reads every program and library of a folder; other files are none.
func readObjects(folder string) (all []object, err error) {
	err = filepath.WalkDir(folder, func(file string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		inside, err := filepath.Rel(folder, file)
		if err != nil {
			return err
		}
		o, known, err := readObject(file)
		if o.path = inside; known && err == nil {
			all = append(all, o)
		}
		return err
	})
	return all, errors.Join(err, lookUp(folder, all))
}

func readObject(file string) (object, bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return object{}, false, err
	}
	defer f.Close()
	magic := make([]byte, 4)
	if _, err := io.ReadFull(f, magic); err != nil {
		return object{}, false, nil // shorter than any
	}
	if string(magic[:2]) == dosMagic {
		o, err := readPE(f)
		return o, true, err
	}
	switch string(magic) {
	case elf.ELFMAG:
		o, err := readELF(f)
		return o, true, err
	case "\xcf\xfa\xed\xfe":
		o, err := readMachO(f)
		return o, true, err
	}
	return object{}, false, nil
}

func readELF(r io.ReaderAt) (o object, err error) {
	f, err := elf.NewFile(r)
	if err != nil {
		return o, err
	}
	if o.needs, err = f.ImportedLibraries(); err != nil {
		return o, err
	}
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		lists, err := f.DynString(tag)
		if err != nil {
			return o, err
		}
		for _, list := range lists {
			o.rpath = append(o.rpath, strings.Split(list, ":")...)
		}
	}
	o.wants = map[string]string{}
	needs, err := f.DynamicVersionNeeds()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return o, err
	}
	for _, n := range needs {
		for _, d := range n.Needs {
			name, version, ok := strings.Cut(d.Dep, "_")
			if ok && (name == "GLIBC" || name == "GLIBCXX") && semver.Compare("v"+version, "v"+o.wants[name]) > 0 {
				o.wants[name] = version
			}
		}
	}
	return o, nil
}
