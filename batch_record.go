package qimport

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"qimport/convert/hub"
	"qimport/convert/plan"
	"qimport/manifest"
	"qimport/quant/recipe"
)

// batchRecord is what a batch keeps of an entry beside the store, for later ones and other machines.
type batchRecord struct {
	Schema   int             `json:"schema"`
	Name     string          `json:"name"`
	Want     string          `json:"want"`   // digest of what was asked for, see wanted
	Status   Status          `json:"status"` // begun, if nobody has said more since
	Error    string          `json:"error,omitempty"`
	Manifest manifest.Digest `json:"manifest,omitzero"`
	Tensors  int             `json:"tensors,omitempty"`
	Laid     []plan.LaidOver `json:"laid,omitempty"`
	Pushed   string          `json:"pushed,omitempty"` // where to
	Host     string          `json:"host"`
	Process  int             `json:"process"`
	Begun    time.Time       `json:"begun"`
	Ended    time.Time       `json:"ended,omitzero"`
}

// begun is the status of an entry that is worked at, or was when its process died.
const begun Status = "begun"

// beginRecord notes that this process works at an entry, of which this much is known to be done.
func beginRecord(store *manifest.Store, e BatchEntry, want string, known ImportResult) (batchRecord, error) {
	host, _ := os.Hostname() // for people
	r := batchRecord{Schema: 1, Name: e.Model.String(), Want: want, Status: begun, Host: host, Process: os.Getpid(), Begun: time.Now().UTC(), Manifest: known.Manifest, Tensors: known.Tensors, Laid: known.Laid}
	return r, r.keep(store, e.Model)
}

// end notes how it ended.
func (r batchRecord) end(store *manifest.Store, name manifest.Name, l BatchLine) error {
	r.Status, r.Error, r.Ended = l.Status, l.Error, time.Now().UTC()
	r.Manifest, r.Tensors, r.Laid = l.Manifest, l.Tensors, l.Laid
	if l.Push != nil {
		r.Pushed = l.Push.Reference.String()
	}
	return r.keep(store, name)
}

func (r batchRecord) keep(store *manifest.Store, name manifest.Name) error {
	b, err := json.Marshal(r)
	if err == nil {
		err = store.PutRecord(name, append(b, '\n'))
	}
	return err
}

// readRecord is what was kept of a name; nothing where that cannot be read, and then an entry is looked at
// anew.
func readRecord(store *manifest.Store, name manifest.Name) (r batchRecord) {
	b, err := store.Record(name)
	if err != nil || json.Unmarshal(b, &r) != nil || r.Schema != 1 {
		return batchRecord{}
	}
	return r
}

// settled says whether the name points at what the entry asks for, from the files that lie there now, as the
// record has it, with a verdict that answers for it at that level. All machines that see the same files
// come to the same answer. Blobs are looked at by whole.
func settled(store *manifest.Store, e BatchEntry, r batchRecord, want string, whole func(manifest.Manifest) bool, w Watcher) (ImportResult, bool) {
	if want == "" || r.Want != want || r.Manifest.IsZero() {
		return ImportResult{}, false
	}
	at, err := store.Lookup(e.Model)
	if err != nil || at.Digest != r.Manifest || !whole(at.Manifest) {
		return ImportResult{}, false
	}
	kept, note := readVerdict(store, at.Digest)
	if note != "" {
		notef(w, "note: %s", note)
	}
	if !answersFor(kept, at.Digest, e.Checks.Level) {
		return ImportResult{}, false
	}
	return ImportResult{
		Schema: 1, Name: at.Name, Manifest: at.Digest, Tensors: r.Tensors, Published: true, Unchanged: true, Values: []string{},
		Laid: append([]plan.LaidOver{}, r.Laid...), Verification: kept,
	}, true
}

// wanted is a digest of all that an import's result follows from: what is asked for, the program's version,
// and the source's files by size and time of writing, or by the commit that they are a snapshot of. It is
// "" where the files are not there. No path is in it, and nothing of the machine.
func wanted(ctx context.Context, e BatchEntry) string {
	p := e.Plan
	asked := []any{e.Checks.Version, p.Recipe.Policy.String(), p.Recipe.Type.String(), p.Recipe.AllowRequantize, p.MTP, p.ScaleSearch, p.Feedback, e.For, e.Lay}
	for _, r := range p.Recipe.Rules {
		asked = append(asked, ruleWords(r))
	}
	for _, source := range []struct {
		name string
		part hub.Part
	}{{e.Source, hub.Whole}, {p.MTPFrom, hub.Head}} {
		files, ok := filesOf(ctx, source.name, source.part)
		if !ok {
			return ""
		}
		asked = append(asked, files)
	}
	for _, a := range p.Adapters {
		files, ok := filesOf(ctx, a.Dir, hub.Adapter)
		if !ok {
			return ""
		}
		asked = append(asked, a.Scale, files)
	}
	if p.Calibration != "" {
		state, ok := fileState(p.Calibration)
		if !ok {
			return ""
		}
		asked = append(asked, state)
	}
	b, err := json.Marshal(asked)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func ruleWords(r recipe.Rule) []any {
	return []any{r.Pattern, r.Format.String(), r.Optional, r.Only}
}

// filesOf are the files of a source, one text each. A source without a name has none.
func filesOf(ctx context.Context, source string, part hub.Part) (files []string, ok bool) {
	if source == "" {
		return nil, true
	}
	found, err := hub.Cached(ctx, source, part)
	if err != nil {
		return nil, false
	}
	if found.Commit != "" {
		return []string{found.Repo, found.Commit}, true
	}
	entries, err := os.ReadDir(found.Dir)
	if err != nil {
		return nil, false
	}
	for _, entry := range entries {
		if state, ok := fileState(filepath.Join(found.Dir, entry.Name())); ok {
			files = append(files, state)
		}
	}
	return files, len(files) > 0
}

// fileState tells one state of a file from another; it looks through links.
func fileState(path string) (string, bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return "", false
	}
	return fmt.Sprintf("%s %d %d", filepath.Base(path), info.Size(), info.ModTime().UnixNano()), true
}
