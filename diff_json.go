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

// compare finds the keys in which two JSON files differ; none in what is no such file, or too large.
func (d *Difference) compare(store *manifest.Store, a, b described) error {
	if a.what != b.what || a.what != "file" && a.what != "config" || a.layer.Size > maxDiffJSON || b.layer.Size > maxDiffJSON {
		return nil
	}
	var objects [2]any
	for i, l := range []manifest.Layer{a.layer, b.layer} {
		content, err := manifest.ReadBlob(store.Blob(l.Digest), l)
		if err != nil {
			return fmt.Errorf("blob of %s: %w", l.Name, err)
		}
		dec := json.NewDecoder(bytes.NewReader(content))
		dec.UseNumber()
		if dec.Decode(&objects[i]) != nil {
			return nil
		}
	}
	if one, other := objects[0], objects[1]; isObject(one) && isObject(other) {
		d.compareKeys("", one, other, 0)
	}
	return nil
}

func isObject(v any) bool { _, ok := v.(map[string]any); return ok }

// compareKeys goes down where both sides are objects.
func (d *Difference) compareKeys(path string, a, b any, depth int) {
	if reflect.DeepEqual(a, b) {
		return
	}
	if !isObject(a) || !isObject(b) || depth == maxDiffDepth {
		d.add(path, ValuePair{valueText(a), valueText(b)})
		return
	}
	one, other := a.(map[string]any), b.(map[string]any)
	all := maps.Clone(one)
	maps.Copy(all, other)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		x, inA := one[key]
		y, inB := other[key]
		at := strings.TrimPrefix(path+"."+key, ".")
		switch {
		case !inA:
			d.add(at, ValuePair{B: valueText(y)})
		case !inB:
			d.add(at, ValuePair{A: valueText(x)})
		default:
			d.compareKeys(at, x, y, depth+1)
		}
	}
}

func (d *Difference) add(key string, values ValuePair) {
	d.Keys, d.Values = append(d.Keys, key), append(d.Values, values)
}

// maxValue is how many runes of a value are shown.
const maxValue = 60

// valueText is a value as JSON, not longer than eyes want it.
func valueText(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return "?"
	}
	text := []rune(strings.TrimSuffix(b.String(), "\n"))
	if len(text) > maxValue {
		return string(text[:maxValue-1]) + "…"
	}
	return string(text)
}

// changes say what each key had and has, for people: the first of many.
func (d Difference) changes() []string {
	var all []string
	for i, key := range d.Keys {
		if i == keysShown {
			return append(all, fmt.Sprintf("%d more keys", len(d.Keys)-i))
		}
		switch v := d.Values[i]; {
		case v.A == "":
			all = append(all, key+" only in B, "+v.B)
		case v.B == "":
			all = append(all, key+" only in A, "+v.A)
		default:
			all = append(all, key+" "+v.A+" in A, "+v.B+" in B")
		}
	}
	return all
}
