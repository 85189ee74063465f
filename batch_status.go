package qimport

import (
	"context"
	"errors"
	"fmt"
	"time"

	"qimport/manifest"
)

// ErrNotDone marks a batch of which not all is done.
var ErrNotDone = errors.New("not all is done")

// The states of an entry that no run is told: the others are those of Status.
const (
	AtWork      Status = "running"     // a process has claimed it
	Interrupted Status = "interrupted" // begun, and its process is no more
	Missing     Status = "missing"
)

// EntryStatus is how an entry of a batch stands, as scripts read it.
type EntryStatus struct {
	Name     manifest.Name   `json:"name"`
	Source   string          `json:"source"`
	Line     int             `json:"line"`
	State    Status          `json:"state"` // done, running, interrupted, refused, failed or missing
	Manifest manifest.Digest `json:"manifest,omitzero"`
	Why      string          `json:"why,omitempty"`
	Host     string          `json:"host,omitempty"` // that works at it, or did last
	Since    time.Time       `json:"since,omitzero"`
}

// BatchStatus says how the entries of a batch stand. Nothing is fetched, written or read whole. The error is
// ErrNotDone where one is not done.
func BatchStatus(ctx context.Context, store *manifest.Store, entries []BatchEntry) ([]EntryStatus, error) {
	all := []EntryStatus{}
	left := 0
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s := entryStatus(ctx, store, e)
		if s.State != Done {
			left++
		}
		all = append(all, s)
	}
	if left > 0 {
		return all, fmt.Errorf("%w: %d of %d imports are left", ErrNotDone, left, len(entries))
	}
	return all, nil
}

func entryStatus(ctx context.Context, store *manifest.Store, e BatchEntry) EntryStatus {
	claimed := store.Claimed(e.Model) // before the record is read, which is written before the claim is given up
	r, want := readRecord(store, e.Model), wanted(ctx, e)
	s := EntryStatus{Name: e.Model, Source: e.Source, Line: e.Line, State: Missing, Host: r.Host, Since: r.Ended}
	if s.Since.IsZero() {
		s.Since = r.Begun
	}
	there := func(m manifest.Manifest) bool {
		for _, l := range m.Blobs() {
			if !store.Has(l) {
				return false
			}
		}
		return true
	}
	result, ok := settled(store, e, r, want, there, nil)
	switch {
	case ok && (e.Push == nil || r.Pushed == e.Push.String()): // also while another batch sees that it is
		s.State, s.Manifest = Done, result.Manifest
	case claimed:
		s.State = AtWork
	case ok:
		s.Manifest, s.Why = result.Manifest, "it is in the store, and was not pushed to "+e.Push.String()
		if r.Status == Failed {
			s.State, s.Why = Failed, r.Error
		}
	case r.Status == begun:
		s.State = Interrupted
	case r.Want == want && (r.Status == Failed || r.Status == Refused):
		s.State, s.Why = r.Status, r.Error
	case want == "":
		s.Why = "its source is not here"
	case r.Want == want:
		s.Why = "what was made is not there any more, or not verified at this level"
	case r.Want != "":
		s.Why = "the source, the recipe or qimport has changed since"
	default:
		s.Why = "no batch has imported it into this store"
	}
	return s
}
