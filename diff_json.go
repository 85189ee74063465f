package qimport

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"qimport/manifest"
)

const (
	maxDiffJSON  = 16 << 20 // bytes of a file that is compared key by key; tokenizers are larger
	maxDiffDepth = 100      // of objects
	keysShown    = 8        // in a line for people
)

// differingKeys lists the keys in which two JSON files differ; nil for what is no such file, or too large.
func differingKeys(store *manifest.Store, a, b described) ([]string, error) {
	if a.what != b.what || a.what != "file" && a.what != "config" || a.layer.Size > maxDiffJSON || b.layer.Size > maxDiffJSON {
		return nil, nil
	}
	var objects [2]any
	for i, l := range []manifest.Layer{a.layer, b.layer} {
		content, err := manifest.ReadBlob(store.Blob(l.Digest), l)
		if err != nil {
			return nil, fmt.Errorf("blob of %s: %w", l.Name, err)
		}
		dec := json.NewDecoder(bytes.NewReader(content))
		dec.UseNumber()
		if dec.Decode(&objects[i]) != nil {
			return nil, nil
		}
	}
	if keys := compareKeys("", objects[0], objects[1], 0); !slices.Equal(keys, []string{""}) {
		return keys, nil
	}
	return nil, nil // no objects
}

// compareKeys goes down where both sides are objects.
func compareKeys(path string, a, b any, depth int) []string {
	one, isOne := a.(map[string]any)
	other, isOther := b.(map[string]any)
	switch {
	case reflect.DeepEqual(a, b):
		return nil
	case !isOne || !isOther || depth == maxDiffDepth:
		return []string{path}
	}
	all := maps.Clone(one)
	maps.Copy(all, other)
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		x, inA := one[key]
		y, inB := other[key]
		at := strings.TrimPrefix(path+"."+key, ".")
		switch {
		case !inA:
			keys = append(keys, at+" (only in B)")
		case !inB:
			keys = append(keys, at+" (only in A)")
		default:
			keys = append(keys, compareKeys(at, x, y, depth+1)...)
		}
	}
	return keys
}

// someOf is the first of many.
func someOf(keys []string) string {
	if len(keys) > keysShown {
		return fmt.Sprintf("%s and %d more", strings.Join(keys[:keysShown], ", "), len(keys)-keysShown)
	}
	return strings.Join(keys, ", ")
}
