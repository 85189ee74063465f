package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// orasVersion is the peer of push and pull.
const orasVersion = "v1.3.6"

// fleet are the tables of docs/fleets.md: a model to a registry and back, one import in parts, and what signing
// takes.
func (b bench) fleet() (string, error) {
	var all []string
	for _, table := range []func() (string, error){b.moves, b.parts, b.signing} {
		text, err := table()
		if err != nil {
			return "", err
		}
		all = append(all, text)
	}
	return strings.Join(all, "\n"), nil
}

// moves is the table of push and pull beside oras cp, which moves the same blobs between the registry and an
// OCI layout. The registry is Debian's, on this machine; every push is to a repository that has nothing.
func (b bench) moves() (string, error) {
	oras, err := b.orasProgram()
	if err != nil {
		return "", err
	}
	m := model{shape: "0.8b"}
	if b.only != "" && b.only != "35b-a3b" {
		m.shape = b.only
	}
	store, stored, err := b.published(m, "none")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(b.dir, outputs, "moved")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	host, stop, err := startRegistry(filepath.Join(dir, "registry"))
	if err != nil {
		return "", err
	}
	defer stop()
	v := mover{b: b, oras: oras, host: host, store: store, dir: dir, env: []string{"DOCKER_CONFIG=" + dir}} // no one's credentials
	if err := v.layOut(); err != nil {
		return "", err
	}
	var runs [4][]usage
	for i := range b.n {
		for at, move := range []func(int) (usage, error){v.push, v.pushByOras, v.pull, v.pullByOras} {
			u, err := move(i)
			if err != nil {
				return "", err
			}
			runs[at] = append(runs[at], u)
		}
	}
	t := &table{head: []string{fmt.Sprintf("%s, %s in %d blobs", m.title(), size(stored.bytes), stored.files), "qimport, seconds", "oras cp, seconds", "qimport where oras takes 1", "qimport took at most", "oras at most"}}
	for at, title := range []string{"push", "pull"} {
		ours, theirs := runs[2*at], runs[2*at+1]
		t.add(title, fmt.Sprintf("%.2f", median(ours)), fmt.Sprintf("%.2f", median(theirs)), times(median(ours), median(theirs)), memory(ours...), memory(theirs...))
	}
	return t.String(), nil
}

// orasProgram is the oras in the path, or one that is built.
func (b bench) orasProgram() (string, error) {
	if path, err := exec.LookPath("oras"); err == nil {
		return path, nil
	}
	folder, err := filepath.Abs(filepath.Join(b.dir, "oras"))
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "oras")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	_, err = timed([]string{"GOBIN=" + folder}, "go", "install", "oras.land/oras/cmd/oras@"+orasVersion)
	return path, err
}

// published is a store with the model under the name bench, and what its blobs are, verified to a level.
func (b bench) published(m model, level string) (store string, blobs folder, err error) {
	checkpoint, err := b.checkpoint(m)
	if err != nil {
		return "", blobs, err
	}
	store = filepath.Join(b.dir, outputs, "published-"+level)
	if _, err = timed(nil, b.qimport, "import", checkpoint, "--name", "bench", "--store", store, "--verify", level, "--quiet"); err != nil {
		return "", blobs, err
	}
	blobs, err = folderOf(filepath.Join(store, "blobs"))
	return store, blobs, err
}

// startRegistry runs docker-registry over a folder.
func startRegistry(dir string) (host string, stop func(), err error) {
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		return "", nil, errors.New("push and pull want Debian's docker-registry in the path")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	host = free.Addr().String()
	if err := errors.Join(free.Close(), os.MkdirAll(dir, 0o755)); err != nil {
		return "", nil, err
	}
	config := filepath.Join(dir, "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: %q}\n", filepath.Join(dir, "data"), host)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return "", nil, err
	}
	cmd := exec.Command(program, "serve", config)
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { _ = errors.Join(cmd.Process.Kill(), cmd.Wait()) }
	for range 100 {
		if c, err := net.Dial("tcp", host); err == nil {
			return host, stop, c.Close()
		}
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	return "", nil, errors.New("docker-registry does not listen")
}

// mover moves one model, each time to where nothing is.
type mover struct {
	b                      bench
	oras, host, store, dir string
	env                    []string
}

// layOut makes the OCI layout that oras pushes from, of what was pushed once.
func (v mover) layOut() error {
	if _, err := v.push(-1); err != nil {
		return err
	}
	_, err := timed(v.env, v.oras, "cp", "--from-plain-http", v.repository("ours", -1), "--to-oci-layout", filepath.Join(v.dir, "layout")+":v1")
	return err
}

func (v mover) repository(whose string, i int) string {
	return fmt.Sprintf("%s/%s/model%d:v1", v.host, whose, i+1)
}

func (v mover) push(i int) (usage, error) {
	return timed(v.env, v.b.qimport, "push", "bench", v.repository("ours", i), "--store", v.store, "--quiet")
}

func (v mover) pushByOras(i int) (usage, error) {
	return timed(v.env, v.oras, "cp", "--from-oci-layout", filepath.Join(v.dir, "layout")+":v1", "--to-plain-http", v.repository("theirs", i))
}

func (v mover) pull(i int) (usage, error) {
	to := filepath.Join(v.dir, "pulled")
	defer os.RemoveAll(to)
	return timed(v.env, v.b.qimport, "pull", "bench", v.repository("ours", i), "--store", to, "--quiet")
}

func (v mover) pullByOras(i int) (usage, error) {
	to := filepath.Join(v.dir, "copied")
	defer os.RemoveAll(to)
	return timed(v.env, v.oras, "cp", "--from-plain-http", v.repository("theirs", i), "--to-oci-layout", to+":v1")
}

// signing is the table of what attest and check-attestation take, as processes of their own.
func (b bench) signing() (string, error) {
	m := model{shape: "0.8b"}
	if b.only != "" && b.only != "35b-a3b" {
		m.shape = b.only
	}
	store, blobs, err := b.published(m, "blobs")
	if err != nil {
		return "", err
	}
	private, public, err := writeKeys(filepath.Join(b.dir, outputs))
	if err != nil {
		return "", err
	}
	kinds := []struct {
		title string
		args  []string
	}{
		{"the program alone (`version`)", []string{"version"}},
		{"`attest`", []string{"attest", "bench", "--key", private, "--store", store}},
		{"`check-attestation`", []string{"check-attestation", "bench", "--key", public, "--store", store}},
		{"`check-attestation --read`", []string{"check-attestation", "bench", "--key", public, "--store", store, "--read"}},
	}
	t := &table{head: []string{fmt.Sprintf("%s, %d blobs", m.title(), blobs.files), "milliseconds"}}
	for _, k := range kinds {
		var runs []usage
		for range 3 * b.n { // they are short
			u, err := timed(nil, b.qimport, k.args...)
			if err != nil {
				return "", err
			}
			runs = append(runs, u)
		}
		t.add(k.title, fmt.Sprintf("%.0f", 1000*median(runs)))
	}
	return t.String(), nil
}

// written is what an import says that it wrote.
func written(out []byte) (int64, error) {
	var r struct {
		BytesWritten int64 `json:"bytes_written"`
	}
	err := json.Unmarshal(out, &r)
	return r.BytesWritten, err
}
