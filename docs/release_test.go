package docs_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// steps are the steps by name that a workflow's job has, with its shell.
func steps(t *testing.T, workflow, job string) map[string]step {
	t.Helper()
	var w struct {
		Jobs map[string]struct{ Steps []step }
	}
	parseYAML(t, ".github/workflows/"+workflow, &w)
	all := map[string]step{}
	for _, s := range w.Jobs[job].Steps {
		all[s.Name] = s
	}
	return all
}

// take runs steps of the shell in dir, as a runner with these values would.
func take(t *testing.T, dir string, values map[string]string, of ...step) *runner {
	t.Helper()
	var a action
	a.Runs.Steps = of
	for _, s := range of {
		if s.Run == "" {
			t.Fatal("the workflow has no step of that name, or no shell in it")
		}
	}
	r := newRunner(t, a, nil)
	r.dir = dir
	for name, v := range values {
		r.values[name] = v
	}
	t.Setenv("RUNNER_TEMP", r.values["runner.temp"])
	r.play(t, a)
	return r
}

// repository makes dir one, with a commit of all that is there.
func repository(t *testing.T, dir string) {
	t.Helper()
	for _, args := range [][]string{{"init", "--quiet"}, {"add", "--all"}, {"-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "all"}} {
		runIn(t.Context(), t, dir, []string{"GIT_CONFIG_GLOBAL=/dev/null"}, "git", args...)
	}
}

func copyFile(t *testing.T, to, from string, mode os.FileMode) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, b, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// script writes a program of the shell.
func script(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestReleaseIsSigned runs what the release workflow does between the build and the draft: the files are signed
// by the qimport of the build, and the statement goes into the draft. The key does not stay.
func TestReleaseIsSigned(t *testing.T) {
	work, bin := t.TempDir(), t.TempDir()
	out := filepath.Join(work, "dist/out")
	copyFile(t, filepath.Join(work, "dist/sign.sh"), filepath.Join(root, "dist/sign.sh"), 0o755)
	repository(t, work)
	copyFile(t, filepath.Join(out, ".work/qimport"), binary(t), 0o755)
	var sums string
	for _, name := range []string{"qimport-v1-linux-amd64.tar.gz", "qimport_1_amd64.deb"} {
		script(t, filepath.Join(out, name), name)
		sums += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte("#!/bin/sh\n"+name)), name)
	}
	if err := os.WriteFile(filepath.Join(out, "SHA256SUMS"), []byte(sums), 0o644); err != nil {
		t.Fatal(err)
	}
	script(t, filepath.Join(out, "qimport.rb"), "")
	script(t, filepath.Join(bin, "gh"), `echo "gh $*"`)
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("GITHUB_REF_NAME", "v1")
	all := steps(t, "release.yml", "release")
	values := map[string]string{
		"secrets.RELEASE_KEY": privateKey(t), "github.server_url": "https://example.org", "github.repository": "a/b", "github.token": "none",
	}

	r := take(t, work, values, all["A key to sign with"], all["Signed by itself"], all["A draft"])
	if r.status != 0 {
		t.Fatalf("status %d\n%s", r.status, &r.log)
	}
	for _, want := range []string{"4 files  signed, and enough", "gh release create v1 --draft", " qimport.intoto.jsonl", " qimport-release.pub", " SHA256SUMS"} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("want %q in\n%s", want, &r.log)
		}
	}
	if left, _ := os.ReadDir(r.values["runner.temp"]); len(left) > 0 {
		t.Errorf("%v was left", left)
	}

	script(t, filepath.Join(out, "qimport_1_amd64.deb"), "changed")
	if r := take(t, work, values, all["Signed by itself"]); r.status == 0 || strings.Contains(r.log.String(), "signed by") {
		t.Errorf("a file that is not the one of SHA256SUMS: status %d\n%s", r.status, &r.log)
	}
	values["secrets.RELEASE_KEY"] = ""
	if r := take(t, work, values, all["A key to sign with"]); r.status == 0 || !strings.Contains(r.log.String(), "::error::") {
		t.Errorf("without a key: status %d\n%s", r.status, &r.log)
	}
}

// pip plays Python as far as next.sh asks it, with an index of one version each.
const pip = `[ "$1 $2" = "-m pip" ] || exec python3 "$@"
for last; do [ "$before" = --report ] && report=$last; [ "$before" = --platform ] && platform=$last; before=$last; done
name=${last%%==*}; version=9.8.7
printf '{"install":[{"metadata":{"version":"%s"},"download_info":{"url":"https://example.org/%s-%s-%s.whl#x","archive_info":{"hashes":{"sha256":"%064d"}}}}]}' \
	"$version" "$(echo "$name" | tr - _)" "$version" "$platform" 5 >"$report"
`

// TestNextVersions runs the step of the scheduled job that takes newer versions, of an index and a repository of
// the test's own: they all come into the one file that setup and the program read.
func TestNextVersions(t *testing.T) {
	for _, tool := range []string{"git", "python3", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	work, upstream, bin := t.TempDir(), t.TempDir(), t.TempDir()
	if err := os.CopyFS(filepath.Join(work, "runtime/mlx"), os.DirFS(filepath.Join(root, "runtime/mlx"))); err != nil {
		t.Fatal(err)
	}
	repository(t, work)
	for _, name := range []string{"LICENSE", "ACKNOWLEDGMENTS.md", "README.md", "mlx/c/ops.cpp"} {
		script(t, filepath.Join(upstream, name), "")
	}
	repository(t, upstream)
	git := func(args ...string) { runIn(t.Context(), t, upstream, nil, "git", args...) }
	for _, tag := range []string{"v9.9.0", "v9.10.0"} {
		git("tag", tag)
	}
	script(t, filepath.Join(bin, "python"), pip)
	t.Setenv("PYTHON", filepath.Join(bin, "python"))
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "url."+upstream+".insteadOf")
	t.Setenv("GIT_CONFIG_VALUE_0", "https://github.com/ml-explore/mlx-c")

	r := take(t, work, nil, steps(t, "next.yml", "next")["The newest versions into runtime/mlx/versions"])
	if r.status != 0 {
		t.Fatalf("status %d\n%s", r.status, &r.log)
	}
	b, err := os.ReadFile(filepath.Join(work, "runtime/mlx/versions"))
	if err != nil {
		t.Fatal(err)
	}
	archive, err := os.ReadFile(filepath.Join(work, "runtime/mlx/mlx-c-9.10.0.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"mlx_version=9.8.7\n", "mlxc_version=9.10.0\n", "openblas_version=9.8.7\n", fmt.Sprintf("mlxc_sha256=%x\n", sha256.Sum256(archive))} {
		if !strings.Contains(string(b), want) {
			t.Errorf("want %q in\n%s", want, b)
		}
	}
	b, err = os.ReadFile(filepath.Join(work, "runtime/mlx/wheels.sha256"))
	if err != nil || strings.Count(string(b), "-9.8.7-") != 6 || strings.Count(string(b), "\n") != 6 {
		t.Errorf("%v: wheels.sha256 is\n%s", err, b)
	}
}

// TestVulnerabilities: a copy of the database is used, said to be old when it is, and a folder that is none refused.
func TestVulnerabilities(t *testing.T) {
	for _, c := range []struct {
		index string
		want  string
		no    string
		fails bool
	}{
		{fmt.Sprintf(`{"modified":%q}`, time.Now().UTC().Format(time.RFC3339)), "-db file://", "OLD", false},
		{`{"modified": "2020-01-02T03:04:05Z"}`, "OLD: it is ", "", false},
		{`{}`, "no index/db.json with a date", "-db", true},
	} {
		db := t.TempDir()
		if err := os.Mkdir(filepath.Join(db, "index"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(db, "index/db.json"), []byte(c.index), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "sh", "vuln.sh")
		cmd.Dir, cmd.Env = root, append(os.Environ(), "GOVULNCHECK=echo", "QIMPORT_VULNDB="+db)
		out, err := cmd.CombinedOutput()
		if (err != nil) != c.fails || !strings.Contains(string(out), c.want) || c.no != "" && strings.Contains(string(out), c.no) {
			t.Errorf("index %s: %v, want %q\n%s", c.index, err, c.want, out)
		}
	}
}
