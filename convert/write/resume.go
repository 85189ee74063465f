package write

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"regexp"

	"qimport/convert/plan"
	"qimport/convert/source"
	"qimport/manifest"
	"qimport/quant"
)

// writerVersion counts the changes that make other bytes of the same plan. Blobs of an older version
// are neither resumed nor reused.
const writerVersion = 1

// blobKey stands for all that the bytes of a blob follow from: the source's bytes, by file identity
// and place, and what the plan makes of them.
type blobKey [16]byte

func (k blobKey) String() string { return hex.EncodeToString(k[:]) }

// identity is what tells one state of a file from another without reading it.
type identity struct {
	Device, Inode uint64
	Size          int64
	Modified      int64  // nanoseconds
	SHA256        string `json:",omitempty"` // where it is known, in place of all others
}

// identify looks at a file, through links. One whose digest is known may lie anywhere.
func identify(s source.Shard) (identity, error) {
	if s.SHA256 != "" {
		return identity{SHA256: s.SHA256}, nil
	}
	info, err := os.Stat(s.Path)
	if err != nil {
		return identity{}, err
	}
	if digest := cachedAs(s.Path); s.Shared && digest != "" {
		return identity{SHA256: digest, Size: info.Size()}, nil
	}
	id := identity{Size: info.Size(), Modified: info.ModTime().UnixNano()}
	if id.Device, id.Inode, err = placeOf(s.Path, info); err != nil {
		return identity{}, err
	}
	if s.Shared {
		id.Device = 0
	}
	return id, nil
}

var cachedName = regexp.MustCompile(`^[0-9a-f]{64}$`)

// cachedAs is the digest by which the Hugging Face cache calls a file, so that each machine may have a
// cache of its own; "" elsewhere.
func cachedAs(path string) string {
	real, err := filepath.EvalSymlinks(path)
	if err != nil || filepath.Base(filepath.Dir(real)) != "blobs" || !cachedName.MatchString(filepath.Base(real)) {
		return ""
	}
	return filepath.Base(real)
}

// Fingerprint names the staging folder of a plan: it differs wherever the source's files or what the
// plan makes of them differ, so that a run goes on only from what would be written again.
func Fingerprint(plan plan.Plan) (string, error) {
	keys, err := blobKeys(plan)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, k := range keys {
		sum.Write(k[:])
	}
	return hex.EncodeToString(sum.Sum(nil)[:16]), nil
}

// Remaining is the bytes of blobs that are neither staged by an earlier run nor, as the index says,
// in the store. Nothing is read for that: a damaged blob is found, and counted, too late. index may be
// nil; staged says which blobs are staged, and has which of the store's could be used.
func Remaining(plan plan.Plan, index *Index, staged func(blob string) bool, has func(manifest.Layer) bool) (int64, error) {
	keys, err := blobKeys(plan)
	if err != nil {
		return 0, err
	}
	var n int64
	for i, b := range plan.Blobs {
		if staged(b.Name) {
			continue
		}
		if l, ok := index.layer(b, keys[i]); !ok || !has(l) {
			n += b.Bytes
		}
	}
	return n, nil
}

// blobKeys are the keys of a plan's blobs, in their order.
func blobKeys(plan plan.Plan) ([]blobKey, error) {
	shards := make([]identity, len(plan.Shards))
	for i, s := range plan.Shards {
		var err error
		if shards[i], err = identify(s); err != nil {
			return nil, fmt.Errorf("%w: %w", source.ErrSource, err)
		}
	}
	keys := make([]blobKey, len(plan.Blobs))
	for i, b := range plan.Blobs {
		sum := sha256.New()
		add(sum, writerVersion, b.Name, b.Metadata)
		for _, t := range b.Tensors {
			add(sum, t.Name, t.Shape, t.Source, t.Target, t.Scale, t.Transform, t.Search, t.Global)
			if t.Weights != nil {
				add(sum, "weights", sha256.Sum256(quant.Float32s(t.Weights).Data))
			}
			if t.Moments.Known() {
				full, err := t.Moments.Digest()
				if err != nil {
					return nil, err
				}
				add(sum, "feedback 2", full, t.Moments.Rows) // the second form of error feedback, by them
			}
			add(sum, t.From.ScaleDtype, t.From.Global, t.From.Shape)
			for _, p := range t.From.Pieces {
				for _, part := range p.Parts() {
					add(sum, part, shards[part.Shard])
				}
			}
			for _, u := range t.From.Updates { // the file of an adapter is known by its digest
				add(sum, u, shards[u.A.Part.Shard])
			}
		}
		copy(keys[i][:], sum.Sum(nil))
	}
	return keys, nil
}

// add hashes plain values, one JSON text each, in which no two values look the same.
func add(sum hash.Hash, values ...any) {
	enc := json.NewEncoder(sum)
	for _, v := range values {
		if err := enc.Encode(v); err != nil {
			panic(err) // plain structs, numbers and strings cannot fail
		}
	}
}
