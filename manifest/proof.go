package manifest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// What makes us believe that a file holds the bytes that its name says. Either this run has hashed
// them, on their way to the disk or by reading them again, or the file is in the very state in which
// it was when we knew last: same inode, size, time of writing and time of change. Whoever writes to a
// file, by mistake or in malice, moves the latter, and nobody but the kernel can set it. So evidence
// finds all that went through the file system; only what the disk itself has lost stays unseen, which
// Check and every verification read for.

// state is what tells one state of a file from another without reading it.
type state struct {
	Inode    uint64 `json:"inode"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // nanoseconds
	Changed  int64  `json:"changed"`  // nanoseconds; also moved by links, names and permissions
}

func stateOf(info os.FileInfo) state {
	s := state{Size: info.Size(), Modified: info.ModTime().UnixNano()}
	s.Inode, s.Changed = inodeOf(info)
	return s
}

// sameBytes reports whether two states differ at most in names, links and permissions.
func (s state) sameBytes(o state) bool {
	s.Changed, o.Changed = 0, 0
	return s == o
}

// proofs is the evidence for blobs, by digest.
type proofs struct {
	mu sync.Mutex
	at map[Digest]state
}

func (p *proofs) get(d Digest) (state, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.at[d]
	return s, ok
}

func (p *proofs) set(d Digest, s state) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at[d] = s
}

func (p *proofs) drop(d Digest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.at, d)
}

// holds reports whether there is evidence for the file that info describes.
func (p *proofs) holds(d Digest, info os.FileInfo) bool {
	s, ok := p.get(d)
	return ok && info.Mode().IsRegular() && s.Changed != 0 && s == stateOf(info)
}

// follow gives the evidence for a blob on to the state of its file after others gave it names or took
// them.
func (p *proofs) follow(d Digest, info os.FileInfo) {
	if s, ok := p.get(d); ok && s.sameBytes(stateOf(info)) {
		p.set(d, stateOf(info))
	}
}

// keeping makes a change of our own to the file of a blob, which is at path and then at after, and
// gives the evidence on to the state that it has then.
func (f files) keeping(p *proofs, d Digest, path, after string, change func() error) error {
	before, err := f.lstat(path)
	proven := err == nil && p.holds(d, before)
	if err := change(); err != nil || !proven {
		return err
	}
	if now, err := f.lstat(after); err == nil && os.SameFile(before, now) && now.Size() == before.Size() {
		p.set(d, stateOf(now))
	}
	return nil
}

// trusts reports whether the blob of a layer at path is whole: by evidence or, without, by reading it.
func (f files) trusts(ctx context.Context, p *proofs, path string, l Layer) bool {
	info, err := f.lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != l.Size {
		return false
	}
	if p.holds(l.Digest, info) {
		return true
	}
	for range proofTries {
		before, after, err := f.hash(ctx, path, l)
		if err != nil {
			return false
		}
		if before == after {
			p.set(l.Digest, after)
			return true
		}
	}
	return true // read, and right; there is no evidence for later, since others link and touch it all the time
}

// proofTries is how often a blob is read that others link or touch meanwhile.
const proofTries = 3

// hash reads a blob, and says in which state its file was before and after. One with other bytes is
// ErrDamaged.
func (f files) hash(ctx context.Context, path string, l Layer) (before, after state, err error) {
	file, info, err := f.open(path)
	if err != nil {
		return before, after, err
	}
	defer file.Close()
	sum, err := HashReader(ctx, file, l.Size, nil)
	if err == nil && sum != l.Digest {
		err = ErrDamaged
	}
	if err != nil {
		return before, after, err
	}
	now, err := file.Stat()
	if err != nil {
		return before, after, err
	}
	return stateOf(info), stateOf(now), nil
}

// proofsName is the file in which the evidence for the store's blobs is kept, one a line. It may be
// removed at any time; then blobs are read once more before they are used again.
const (
	proofsName = "qimport-hashed"
	maxProofs  = 64 << 20
)

func (s *Store) proofsPath() string { return filepath.Join(s.root, proofsName) }

// readProofs is the evidence that the store keeps; none where it cannot be read.
func (s *Store) readProofs() *proofs {
	content, _, err := s.files.read(s.proofsPath(), maxProofs)
	if err != nil {
		content = nil
	}
	return &proofs{at: parseProofs(content)}
}

func parseProofs(content []byte) map[Digest]state {
	at := map[Digest]state{}
	for line := range bytes.Lines(content) {
		if d, s, ok := parseProof(string(line)); ok {
			at[d] = s
		}
	}
	return at
}

const proofForm = "%s %d %d %d %d\n"

func parseProof(line string) (d Digest, s state, ok bool) {
	var name string
	n, err := fmt.Sscanf(line, proofForm, &name, &s.Inode, &s.Size, &s.Modified, &s.Changed)
	if err != nil || n != 5 || s.Size < 0 {
		return d, s, false
	}
	d, err = ParseDigest(name)
	return d, s, err == nil && line == proofLine(d, s)
}

func proofLine(d Digest, s state) string {
	return fmt.Sprintf(proofForm, d, s.Inode, s.Size, s.Modified, s.Changed)
}

// clockTick is longer than the kernel takes to move the time of change on. A file that changed later
// than this before it was looked at could change again and look the same.
const clockTick = 20 * time.Millisecond

// keepProofs adds the evidence for these blobs of the store to what it keeps. It is for later runs:
// that it cannot be kept is no harm.
func (s *Store) keepProofs(p *proofs, blobs []Layer) {
	for _, l := range blobs {
		if info, err := s.files.lstat(s.Blob(l.Digest)); err == nil {
			p.follow(l.Digest, info) // its link in staging was given up
		}
	}
	time.Sleep(s.tick)
	proven := map[Digest]state{}
	for _, l := range blobs {
		if info, err := s.files.lstat(s.Blob(l.Digest)); err == nil && p.holds(l.Digest, info) {
			proven[l.Digest] = stateOf(info)
		}
	}
	_ = s.update(proofsName, maxProofs, func(old []byte) []byte {
		at := parseProofs(old)
		for d, state := range proven {
			at[d] = state
		}
		return s.encodeProofs(at)
	})
}

// encodeProofs is the text of the evidence, sorted, without that for blobs that are gone.
func (s *Store) encodeProofs(at map[Digest]state) []byte {
	infos, err := s.files.list(s.blobsDir())
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	for _, info := range infos {
		d, ok := blobOf(info.Name())
		if state, known := at[d]; ok && known && err == nil {
			w.WriteString(proofLine(d, state))
		}
	}
	w.Flush()
	return out.Bytes()
}

// updateWait is how long a file beside the store's folders is waited for, which others hold for as
// long as it takes to write it.
const updateWait = 30 * time.Second

// update replaces a file beside the store's folders by what change makes of it, one process at a time.
// What is in it is a hint: it is not waited for until the disk has it.
func (s *Store) update(name string, max int64, change func(old []byte) []byte) error {
	path := filepath.Join(s.root, name)
	l, err := s.files.acquire(context.Background(), path+".lock", true, updateWait)
	if err != nil {
		return err
	}
	defer l.Close()
	old, _, err := s.files.read(path, max)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errNotFile) {
		return err
	}
	if err := s.files.mkdir(s.stagingDir()); err != nil {
		return err
	}
	return s.files.replaceHint(path, s.stagingDir(), change(old))
}
