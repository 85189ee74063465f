package write

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"qimport/convert/encode"
	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/manifest"
	"qimport/quant"
	"qimport/quant/recipe"
)

func nvfp4Plan(t *testing.T, src memory, inv source.Inventory) plan.Plan {
	t.Helper()
	plan, err := plan.New(inv, recipe.Recipe{Type: quant.FormatNVFP4, AllowRequantize: true}, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestWriteGoesOn stops a run after some blobs and holds the next one to writing the rest only.
func TestWriteGoesOn(t *testing.T) {
	src := mixedModel()
	plan := nvfp4Plan(t, src, src.inventory(t))
	whole := write(t, plan, src, t.TempDir(), Options{})
	root := t.TempDir()
	stage := openStage(t, plan, root)
	ctx, cancel := context.WithCancel(context.Background())
	_, stats, err := Blobs(ctx, plan, src, stage, Options{Jobs: 1, Progress: func(encode.Progress) {
		for _, b := range plan.Blobs { // stop when the first is finished
			if _, ok := stage.Done(b.Name); ok {
				cancel()
			}
		}
	}})
	if !errors.Is(err, context.Canceled) || stats.BytesWritten == 0 || stats.BytesWritten >= whole.stats.BytesWritten {
		t.Fatalf("stopped with %v after %d of %d bytes", err, stats.BytesWritten, whole.stats.BytesWritten)
	}
	staged := func(blob string) bool { _, ok := stage.Done(blob); return ok }
	if got, err := Remaining(plan, nil, staged, stage.Reusable); err != nil || got != plan.Totals().BytesWritten-stats.BytesWritten {
		t.Errorf("%d bytes remain, %v; want %d", got, err, plan.Totals().BytesWritten-stats.BytesWritten)
	}
	if err := stage.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := stage.Keep(); err != nil {
		t.Fatal(err)
	}
	again := write(t, plan, src, root, Options{})
	if again.manifest.Digest() != whole.manifest.Digest() {
		t.Error("the second run ends with another manifest")
	}
	if again.stats.BytesReused != stats.BytesWritten || again.stats.BytesReused+again.stats.BytesWritten != whole.stats.BytesWritten {
		t.Errorf("reused %d bytes, wrote %d; the first run had written %d of %d", again.stats.BytesReused, again.stats.BytesWritten, stats.BytesWritten, whole.stats.BytesWritten)
	}
}

func TestFingerprintFollowsSourceAndPlan(t *testing.T) {
	src := mixedModel()
	inv := src.inventory(t)
	base := nvfp4Plan(t, src, inv)
	first, err := Fingerprint(base)
	if err != nil {
		t.Fatal(err)
	}
	same, err := Fingerprint(nvfp4Plan(t, src, inv))
	if err != nil || same != first {
		t.Errorf("the same plan has fingerprints %s and %s, %v", first, same, err)
	}
	other, err := plan.New(inv, recipe.Recipe{Type: quant.FormatMXFP8, AllowRequantize: true}, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if f, err := Fingerprint(other); f == first || err != nil {
		t.Errorf("another type has the same fingerprint, %v", err)
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(inv.Shards[0].Path, later, later); err != nil {
		t.Fatal(err)
	}
	if f, err := Fingerprint(base); f == first || err != nil {
		t.Errorf("a changed shard has the same fingerprint, %v", err)
	}
	if err := os.Remove(inv.Shards[0].Path); err != nil {
		t.Fatal(err)
	}
	if _, err := Fingerprint(base); !errors.Is(err, source.ErrSource) {
		t.Errorf("a shard that is gone says %v", err)
	}
}

// publish makes the blobs of a run part of the store.
func publish(t *testing.T, w written, name string) {
	t.Helper()
	n, err := manifest.ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.stage.Publish(context.Background(), n, w.manifest); err != nil {
		t.Fatal(err)
	}
}

// TestIndexSavesWork imports twice, and a second variant, with the index between.
func TestIndexSavesWork(t *testing.T) {
	src, root := mixedModel(), t.TempDir()
	inv := src.inventory(t)
	p := nvfp4Plan(t, src, inv)
	store, err := manifest.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	run := func(q plan.Plan, name string) written {
		index, err := OpenIndex(store)
		if err != nil {
			t.Fatal(err)
		}
		w := write(t, q, src, root, Options{Index: index})
		publish(t, w, name)
		if err := index.Save(); err != nil {
			t.Fatal(err)
		}
		return w
	}
	first := run(p, "one")
	again := run(p, "two")
	if again.manifest.Digest() != first.manifest.Digest() || again.stats.BytesRead != 0 {
		t.Errorf("the same again read %d bytes; manifests %s and %s", again.stats.BytesRead, first.manifest.Digest(), again.manifest.Digest())
	}
	rule, err := recipe.ParseOverride("**.k_proj=bf16")
	if err != nil {
		t.Fatal(err)
	}
	variant, err := plan.New(inv, recipe.Recipe{Type: quant.FormatNVFP4, Rules: []recipe.Rule{rule}, AllowRequantize: true}, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := run(variant, "three").stats.BytesRead, int64(128*512*2); got != want {
		t.Errorf("a variant of one tensor read %d bytes, want %d", got, want)
	}
	for _, l := range first.manifest.Layers { // the index is not believed without the blob
		if l.Name == "lm_head.weight" {
			if err := os.Remove(store.Blob(l.Digest)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, want := run(p, "four").stats.BytesRead, int64(3000*512*2); got != want {
		t.Errorf("with one blob gone it read %d bytes, want %d", got, want)
	}
}

func TestIndexMergesAndSkipsDamage(t *testing.T) {
	store, err := manifest.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := store.IndexPath()
	layer := func(s string) manifest.Layer {
		return manifest.Layer{Digest: manifest.DigestOf([]byte(s)), Size: int64(len(s))}
	}
	save := func(key byte, s string) {
		x, err := OpenIndex(store)
		if err != nil {
			t.Fatal(err)
		}
		x.Add(blobKey{key}, layer(s))
		if err := x.Save(); err != nil {
			t.Fatal(err)
		}
	}
	save(1, "a")
	save(2, "bb")
	save(1, "ccc")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append([]byte("nonsense\n0000 x 3\n"), content[:len(content)-1]...), 0o644); err != nil {
		t.Fatal(err)
	}
	x, err := OpenIndex(store)
	if err != nil {
		t.Fatal(err)
	}
	if f, ok := x.Find(blobKey{2}); !ok || f.Size != 2 || f.Digest != layer("bb").Digest {
		t.Errorf("key 2 is %v, %v", f, ok)
	}
	if _, ok := x.Find(blobKey{1}); ok { // its line was cut short
		t.Error("a line without its end is believed")
	}
}

func FuzzIndexLine(f *testing.F) {
	f.Add(indexLine(blobKey{1}, Found{manifest.DigestOf(nil), 7}))
	f.Fuzz(func(t *testing.T, line string) {
		key, found, ok := parseIndexLine(line)
		if !ok {
			return
		}
		k, g, ok := parseIndexLine(indexLine(key, found))
		if !ok || k != key || g != found {
			t.Fatalf("%q reads back as %v %v", line, k, g)
		}
	})
}

// FuzzIndex: whatever the file holds, reading it ends, and what is read can be written back.
func FuzzIndex(f *testing.F) {
	line := indexLine(blobKey{1}, Found{manifest.DigestOf(nil), 7})
	for _, s := range []string{"", line, line + line[:30], "\x00\n" + line, "a b c\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		at := parseIndex(content)
		x := Index{at: at}
		if again := parseIndex(x.merged(content)); len(again) != len(at) {
			t.Fatalf("%d keys read back as %d", len(at), len(again))
		}
	})
}

// TestShared: machines that share files have them on devices of other numbers, and caches of their own the
// same file under the same digest.
func TestShared(t *testing.T) {
	digest := strings.Repeat("0a", 32)
	var ids []identity
	for range 2 {
		blob := filepath.Join(t.TempDir(), "blobs", digest)
		if err := errors.Join(os.Mkdir(filepath.Dir(blob), 0o755), os.WriteFile(blob, []byte("x"), 0o644)); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(t.TempDir(), "model.safetensors")
		if err := os.Symlink(blob, link); err != nil {
			t.Fatal(err)
		}
		id, err := identify(source.Shard{Path: link, Shared: true})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if ids[0] != ids[1] || ids[0].SHA256 != digest {
		t.Errorf("%+v is not %+v", ids[0], ids[1])
	}
	file := filepath.Join(t.TempDir(), digest)
	if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	id, err := identify(source.Shard{Path: file, Shared: true})
	if err != nil || id.Device != 0 || id.Inode == 0 || id.Modified == 0 || id.SHA256 != "" {
		t.Errorf("%+v, %v", id, err)
	}
}
