package docs_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// action is the part of a composite action that can be stepped through here.
type action struct {
	Inputs  map[string]struct{ Default string }
	Outputs map[string]struct{ Value string }
	Runs    struct {
		Steps []step
	}
}

// step is one of an action, or of a workflow's job.
type step struct {
	Name, ID, If, Uses, Run, Shell string
	Env, With                      map[string]string
}

// runner stands for the machine that a workflow runs on.
type runner struct {
	values  map[string]string // of expressions: "inputs.source", "steps.run.outputs.status"
	dir     string            // the workspace
	log     bytes.Buffer      // of all steps
	summary string
	used    []string // actions that were not run, but would have been
	status  int
}

var (
	expression = regexp.MustCompile(`\$\{\{\s*(.*?)\s*\}\}`)
	comparison = regexp.MustCompile(`^([\w.-]+) (==|!=) '(.*)'$`)
)

// newRunner is a runner with inputs in the place of their defaults.
func newRunner(t *testing.T, a action, inputs map[string]string) *runner {
	t.Helper()
	r := &runner{dir: t.TempDir(), values: map[string]string{
		"github.action_path": root, "github.run_id": "7", "runner.temp": t.TempDir(), "runner.os": "Linux", "runner.arch": "X64",
	}}
	for name, input := range a.Inputs {
		r.values["inputs."+name] = input.Default
	}
	for name, value := range inputs {
		if _, ok := a.Inputs[name]; !ok {
			t.Fatalf("action.yml has no input %s", name)
		}
		r.values["inputs."+name] = value
	}
	return r
}

// text puts values in the place of expressions.
func (r *runner) text(t *testing.T, s string) string {
	t.Helper()
	return expression.ReplaceAllStringFunc(s, func(e string) string {
		name := expression.FindStringSubmatch(e)[1]
		v, ok := r.values[name]
		if !ok && !strings.HasPrefix(name, "steps.") {
			t.Fatalf("%s: nothing is known of that", e)
		}
		return v
	})
}

// wants says whether a step is taken.
func (r *runner) wants(t *testing.T, condition string) bool {
	t.Helper()
	all := r.status == 0
	for part := range strings.SplitSeq(condition, "&&") {
		part = strings.TrimSpace(part)
		m := comparison.FindStringSubmatch(part)
		switch {
		case part == "":
		case part == "always()":
			all = true
		case m == nil:
			t.Fatalf("if: %s: not understood", part)
		case (r.values[m[1]] == m[3]) != (m[2] == "=="):
			return false
		}
	}
	return all
}

// play takes the steps of an action, as far as they are shell.
func (r *runner) play(t *testing.T, a action) {
	t.Helper()
	for _, step := range a.Runs.Steps {
		if !r.wants(t, step.If) {
			continue
		}
		if step.Uses != "" {
			for _, v := range step.With {
				r.text(t, v) // is understood
			}
			r.used = append(r.used, step.Uses)
			continue
		}
		if strings.Contains(step.Run, "${{") {
			t.Errorf("step %s: an expression in a script can be anything, also commands: hand it on in env", step.Name)
		}
		script, output, summary := r.file(t, "script"), r.file(t, "output"), r.file(t, "summary")
		if err := os.WriteFile(script, []byte(step.Run), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", script)
		cmd.Dir, cmd.Stdout, cmd.Stderr = r.dir, &r.log, &r.log
		cmd.Env = append(os.Environ(), "GITHUB_OUTPUT="+output, "GITHUB_STEP_SUMMARY="+summary)
		for name, v := range step.Env {
			cmd.Env = append(cmd.Env, name+"="+r.text(t, v))
		}
		_ = cmd.Run()
		r.status = max(r.status, cmd.ProcessState.ExitCode())
		b, _ := os.ReadFile(output)
		for line := range strings.Lines(string(b)) {
			name, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			r.values["steps."+step.ID+".outputs."+name] = v
		}
		b, _ = os.ReadFile(summary)
		r.summary += string(b)
	}
	for name, output := range a.Outputs {
		r.values["outputs."+name] = r.text(t, output.Value)
	}
}

// file is a new file of the runner's own.
func (r *runner) file(t *testing.T, name string) string {
	t.Helper()
	return filepath.Join(t.TempDir(), name)
}

func parseYAML(t *testing.T, name string, v any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, name)), v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// tiny is the model that the examples import here.
func tiny(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(root, "testdata/qwen3.5-bf16"))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// privateKey is a key of the test's own, in PEM.
func privateKey(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// present demands files that hold something.
func present(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, or it is empty", name, err)
		}
	}
}

// TestAction steps through the shell parts of action.yml: an import that is signed, a verification of its
// model, one that says no, and a source that is not there.
func TestAction(t *testing.T) {
	var a action
	parseYAML(t, "action.yml", &a)
	store := t.TempDir()
	inputs := func(more ...string) map[string]string {
		all := map[string]string{"program": binary(t), "store": store, "level": "blobs"}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}

	r := newRunner(t, a, inputs("source", tiny(t), "model", "tiny:nvfp4", "args", "-q\nnvfp4\n--override=**.down_proj=mxfp8\n", "attest-key", privateKey(t)))
	r.play(t, a)
	if r.status != 0 || r.values["outputs.passed"] != "true" || r.values["outputs.status"] != "0" || !strings.HasPrefix(r.values["outputs.manifest"], "sha256:") {
		t.Fatalf("status %d, %v\n%s", r.status, r.values, &r.log)
	}
	if !strings.Contains(r.summary, "## qimport import: `tiny:nvfp4`") || !strings.Contains(r.summary, "verified") {
		t.Errorf("the summary is\n%s", r.summary)
	}
	reports := filepath.Join(r.dir, "qimport-reports")
	present(t, reports, "report.json", "report.xml", "report.html", "report.md", "metrics.txt", "result.json", "statements.jsonl")
	if left, _ := filepath.Glob(filepath.Join(r.values["runner.temp"], "key.*")); len(left) > 0 {
		t.Errorf("the key was left at %s", left)
	}
	if got := strings.Join(r.used, " "); got != "actions/cache@v4 actions/upload-artifact@v4" {
		t.Errorf("used were %s", got)
	}

	r = newRunner(t, a, inputs("model", "tiny:nvfp4", "cache", "false", "artifact", ""))
	r.play(t, a)
	if r.status != 0 || r.values["outputs.passed"] != "true" || len(r.used) > 0 {
		t.Errorf("verify: status %d, %v\n%s", r.status, r.used, &r.log)
	}

	r = newRunner(t, a, inputs("model", tiny(t), "level", "quality")) // against no source
	r.play(t, a)
	if r.status != 3 || r.values["outputs.passed"] != "false" || !strings.Contains(r.log.String(), "\n::error title=quality.") {
		t.Errorf("quality without a source: status %d, %v\n%s", r.status, r.values, &r.log)
	}
	if last := r.used[len(r.used)-1]; last != "actions/upload-artifact@v4" {
		t.Errorf("a no left no reports: %v", r.used)
	}

	r = newRunner(t, a, inputs("source", "./gone", "model", "tiny:nvfp4"))
	r.play(t, a)
	if r.status != 1 || !strings.Contains(r.summary, "It failed with exit status 1:") || !strings.Contains(r.summary, "gone") || !strings.Contains(r.log.String(), "::error title=qimport import::") {
		t.Errorf("no source: status %d\n%s\n%s", r.status, r.summary, &r.log)
	}

	r = newRunner(t, a, inputs())
	if r.play(t, a); r.status != 2 {
		t.Errorf("neither source nor model: status %d", r.status)
	}
}

// TestActionArchive: a program that is fetched is run only if its digest is the one that was asked for.
func TestActionArchive(t *testing.T) {
	var a action
	parseYAML(t, "action.yml", &a)
	var archive bytes.Buffer
	z := gzip.NewWriter(&archive)
	w := tar.NewWriter(z)
	program := []byte("#!/bin/sh\necho '{'; echo '  \"name\": \"stub\",'; echo '}'\n")
	if err := w.WriteHeader(&tar.Header{Name: "bin/qimport", Mode: 0o755, Size: int64(len(program))}); err != nil {
		t.Fatal(err)
	}
	w.Write(program)
	w.Close()
	z.Close()
	file := filepath.Join(t.TempDir(), "a.tar.gz")
	if err := os.WriteFile(file, archive.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		sum    string
		status int
	}{{fmt.Sprintf("%x", sha256.Sum256(archive.Bytes())), 0}, {strings.Repeat("0", 64), 1}, {"", 2}} {
		r := newRunner(t, a, map[string]string{"archive": "file://" + file, "archive-sha256": c.sum, "model": "m", "level": "none"})
		r.play(t, a)
		if r.status != c.status || c.status == 0 && !strings.Contains(r.summary, "`stub`") {
			t.Errorf("digest %q: status %d, want %d\n%s\n%s", c.sum, r.status, c.status, r.summary, &r.log)
		}
	}
}

// onPath is a folder with the program, before the others on the PATH.
func onPath(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program, err := filepath.Abs(binary(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(dir, "qimport")); err != nil {
		t.Fatal(err)
	}
	return "PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH")
}

// keyFile is a private key in a file.
func keyFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, []byte(privateKey(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestGitLab runs the job's script, with the example's variables but for what is imported, and how far it is
// verified.
func TestGitLab(t *testing.T) {
	var pipeline struct {
		Variables map[string]string
		Model     struct{ Script []string }
	}
	parseYAML(t, "docs/pipelines/gitlab-ci.yml", &pipeline)
	dir := t.TempDir()
	env := []string{onPath(t), "CI_PROJECT_DIR=" + dir}
	for name, v := range pipeline.Variables {
		env = append(env, name+"="+strings.ReplaceAll(v, "$CI_PROJECT_DIR", dir))
	}
	env = append(env, "QIMPORT_SOURCE="+tiny(t), "QIMPORT_LEVEL=blobs", "QIMPORT_KEY="+keyFile(t))
	for _, line := range pipeline.Model.Script {
		runIn(t.Context(), t, dir, env, "bash", "-eo", "pipefail", "-c", line)
	}
	present(t, filepath.Join(dir, "reports"), "junit.xml", "report.html", "metrics.txt", "statements.jsonl")
}

var jenkinsShell = regexp.MustCompile(`(?s)\bsh '''(.*?)'''|\bsh '([^'\n]*)'`)

// TestJenkins runs the steps of shell of the pipeline, in order.
func TestJenkins(t *testing.T) {
	dir := t.TempDir()
	env := []string{onPath(t), "OLLAMA_MODELS=" + t.TempDir(), "SOURCE=" + tiny(t), "NAME=small:nvfp4", "TYPE=nvfp4", "LEVEL=blobs", "KEY=" + keyFile(t)}
	steps := jenkinsShell.FindAllStringSubmatch(read(t, "docs/pipelines/Jenkinsfile"), -1)
	if len(steps) != 3 {
		t.Fatalf("%d steps of shell, want 3", len(steps))
	}
	for _, m := range steps {
		script := strings.ReplaceAll(m[1], `\\`, `\`) + m[2]
		runIn(t.Context(), t, dir, env, "sh", "-xe", "-c", script)
	}
	present(t, filepath.Join(dir, "reports"), "junit.xml", "report.html", "metrics.txt", "statements.jsonl")
}

// TestPreReceive pushes to a repository with the hook: a checkpoint with a recipe, then what cannot be planned.
func TestPreReceive(t *testing.T) {
	work, bare := t.TempDir(), filepath.Join(t.TempDir(), "models.git")
	hook, err := filepath.Abs("pipelines/pre-receive")
	if err != nil {
		t.Fatal(err)
	}
	env := []string{onPath(t), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b"}
	git := func(args ...string) { runIn(t.Context(), t, work, env, "git", args...) }
	push := func(change func(dir string) error) (string, error) {
		t.Helper()
		if err := change(filepath.Join(work, "models/tiny")); err != nil {
			t.Fatal(err)
		}
		git("add", "--all")
		git("commit", "--quiet", "--allow-empty", "-m", "change")
		cmd := exec.CommandContext(t.Context(), "git", "push", "--quiet", bare, "HEAD:refs/heads/main")
		cmd.Dir, cmd.Env = work, append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			git("reset", "--quiet", "--hard", "HEAD^")
		}
		return string(out), err
	}
	runIn(t.Context(), t, work, env, "git", "init", "--quiet", "--bare", bare)
	if err := os.Symlink(hook, filepath.Join(bare, "hooks/pre-receive")); err != nil {
		t.Fatal(err)
	}
	git("init", "--quiet", ".")
	recipe := func(text string) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, "recipe.yaml"), []byte(text), 0o644) }
	}
	if out, err := push(func(dir string) error {
		if err := os.CopyFS(dir, os.DirFS(tiny(t))); err != nil {
			return err
		}
		return recipe("type: nvfp4\n")(dir)
	}); err != nil {
		t.Fatalf("a good push: %v\n%s", err, out)
	}
	hidden := func(dir string) error { // from an archive, but not from the hook
		err := os.WriteFile(filepath.Join(work, ".gitattributes"), []byte("* export-ignore\n"), 0o644)
		if err == nil {
			err = recipe("type: nvfp5\n")(dir)
		}
		return err
	}
	cut := func(dir string) error { return os.Truncate(filepath.Join(dir, "model.safetensors"), 1000) }
	for _, c := range []struct {
		what   string
		change func(string) error
		says   string
	}{
		{"a type that is none", recipe("type: nvfp5\n"), "nvfp5"},
		{"a recipe that matches nothing", recipe("overrides: [\"no.such.*=nvfp4\"]\n"), "refused: qimport plan ./models/tiny --recipe"},
		{"a bad recipe that hides", hidden, "nvfp5"},
		{"a checkpoint that is cut short", cut, "model.safetensors: byte 0"},
	} {
		if out, err := push(c.change); err == nil || !strings.Contains(strings.ReplaceAll(out, "remote: ", ""), c.says) {
			t.Errorf("%s: %v, want %q\n%s", c.what, err, c.says, out)
		}
	}
	runIn(t.Context(), t, bare, env, "git", "config", "--add", "qimport.plan", "models/gone -q nvfp4")
	if out, err := push(func(string) error { return nil }); err == nil || !strings.Contains(out, "refused: qimport plan models/gone") {
		t.Errorf("a plan of the owner's: %v\n%s", err, out)
	}
}

// TestPipelineFiles holds the examples to what their services read, where the tools for it are installed.
func TestPipelineFiles(t *testing.T) {
	t.Log(runIn(t.Context(), t, root, nil, "bash", "docs/pipelines/check.sh"))
}
