//go:build unix

package qimport

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"qimport/arch"
	"qimport/convert/safetensors"
	"qimport/manifest"
	"qimport/quant"
)

// hollow is the config of a model whose weights are a hole in a file: large, and nothing on the disk.
const hollow = `{"model_type":"qwen3","vocab_size":65536,"hidden_size":1024,"num_hidden_layers":4,
"num_attention_heads":16,"num_key_value_heads":8,"head_dim":128,"intermediate_size":3072,"tie_word_embeddings":true,"rope_theta":1000000}`

// writeHollow makes a checkpoint of that config, all zeros, and returns its shard.
func writeHollow(t *testing.T, dir string) (shard string) {
	t.Helper()
	config, err := arch.ParseConfig([]byte(hollow))
	if err != nil {
		t.Fatal(err)
	}
	var tensors []safetensors.Tensor
	for _, choice := range config.Needs() {
		for _, need := range choice[0] {
			if need.Body != "lm_head.weight" {
				tensors = append(tensors, safetensors.Tensor{Name: "model." + need.Body, Dtype: quant.BF16, Shape: need.Shapes[0]})
			}
		}
	}
	h, err := safetensors.New(nil, tensors)
	if err != nil {
		t.Fatal(err)
	}
	shard = filepath.Join(dir, "model.safetensors")
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(hollow), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(shard, h.Append(nil), 0o644), os.Truncate(shard, h.FileSize())); err != nil {
		t.Fatal(err)
	}
	return shard
}

// TestSourceCutWhileRead cuts the shard of an import short, at moments and to lengths of chance: the
// import fails with an error that names the shard, without a crash, and no name appears. The formats
// take the ways that read the file: native kernels, a first look at all of it, and copies as it is.
func TestSourceCutWhileRead(t *testing.T) {
	chance := rand.New(rand.NewPCG(11, 3))
	tries := 12
	if testing.Short() {
		tries = 3
	}
	var cut, during int
	for i := range tries {
		dir, root := t.TempDir(), t.TempDir()
		shard := writeHollow(t, dir)
		info, err := os.Stat(shard)
		if err != nil {
			t.Fatal(err)
		}
		typ := []string{"mxfp8", "nvfp4", "bf16"}[i%3]
		child := child(root, childSource+"="+dir, childType+"="+typ)
		var said bytes.Buffer
		child.Stderr = &said
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		waitForStage(t, root)
		time.Sleep(time.Duration(chance.IntN(150)) * time.Millisecond)
		to := []int64{0, chance.Int64N(info.Size())}[chance.IntN(2)]
		if err := os.Truncate(shard, to); err != nil {
			t.Fatal(err)
		}
		if err := child.Wait(); err == nil {
			continue // it was through before
		}
		cut++
		text := said.String()
		if child.ProcessState.ExitCode() != 1 || strings.Contains(text, "goroutine") {
			t.Fatalf("try %d, %s cut to %d bytes: %v\n%s", i, typ, to, child.ProcessState, text)
		}
		if !strings.Contains(text, "model.safetensors") || !strings.Contains(text, "while it was read") {
			t.Errorf("try %d, %s cut to %d bytes: %s", i, typ, to, text)
		}
		if strings.Contains(text, safetensors.ErrTruncated.Error()) {
			during++
		}
		if e, err := openStore(t, root).Lookup(mustName(t, "m")); !errors.Is(err, manifest.ErrNotFound) {
			t.Errorf("try %d: %v, %v", i, e.Name, err)
		}
	}
	if cut == 0 || during == 0 && !testing.Short() {
		t.Errorf("%d of %d imports met a shard that was cut, %d of them while they read it", cut, tries, during)
	}
	t.Logf("%d imports, %d met the cut, %d of them while they read", tries, cut, during)
}

// waitForStage waits until an import has begun to write.
func waitForStage(t *testing.T, root string) {
	t.Helper()
	for range 2000 {
		found := false
		_ = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				if info, err := d.Info(); err == nil && info.Size() > 1<<20 {
					found = true
				}
			}
			return nil
		})
		if found {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("nothing was written")
}
