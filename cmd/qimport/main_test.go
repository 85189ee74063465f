package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"qimport/convert/safetensors"
	"qimport/runtime/mlx"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"qimport": heldMain})
}

// TestScripts runs the program over testdata/script. In a script, $MODELS holds the models that
// the repository ships, [mlx] says whether models can be run, [fixtures] whether
// $FIXTURES holds the models that it does not, `exits N CMD…` demands an exit
// status, `interrupted CMD…` that it ends within a second of SIGTERM, and `keys FILE K…` demands that FILE is one JSON object with schema 1 and these keys.
// Whatever the program prints with --json is held to its schema: if it is not as that says, it ends with 99.
// `serves FILE` starts an Ollama of its own, which answers by FILE, and `registry [ollama]` an OCI registry,
// or one of Ollama's dialect, at $REGISTRY. `metrics FILE NAME[{LABEL=VALUE}]=VALUE…` demands that FILE is one of
// metrics, whole, with these samples.
func TestScripts(t *testing.T) {
	models, err := filepath.Abs("../../testdata")
	if err != nil {
		t.Fatal(err)
	}
	schemas, err := filepath.Abs(schemaDir)
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("MODELS", models)
			e.Setenv("FIXTURES", os.Getenv("QIMPORT_FIXTURES"))
			e.Setenv("OLLAMA_MODELS", filepath.Join(e.WorkDir, "store"))
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("HF_HUB_OFFLINE", "1")
			e.Setenv(schemasAt, schemas)
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "mlx":
				return haveMLX(), nil
			case "fixtures":
				return os.Getenv("QIMPORT_FIXTURES") != "", nil
			}
			return false, errors.New("unknown condition " + name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "interrupted": interrupted, "keys": keys, "serves": serves, "registry": startRegistry, "zeroed": zeroed, "metrics": readMetrics},
	})
}

// haveMLX says whether this build, on this machine, can run a model.
func haveMLX() bool {
	thread, err := mlx.Start(mlx.CPU)
	if err != nil {
		return false
	}
	thread.Close()
	return true
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if status := (*exec.ExitError)(nil); errors.As(err, &status) {
		got = status.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s exits with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// interrupted sends the program SIGTERM while it is at work.
func interrupted(ts *testscript.TestScript, _ bool, args []string) {
	program := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, args[0])); err == nil {
			program = filepath.Join(dir, args[0])
			break
		}
	}
	cmd := exec.Command(program, args[1:]...)
	cmd.Dir = ts.Getenv("WORK")
	for _, name := range []string{"PATH", "HOME", "OLLAMA_MODELS", "HF_HUB_OFFLINE"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	ts.Check(cmd.Start())
	time.Sleep(300 * time.Millisecond) // it has loaded the model, or is about to
	start := time.Now()
	ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	err := cmd.Wait()
	if took := time.Since(start); took > 20*time.Second {
		ts.Fatalf("%v ended %v after SIGTERM: %v", args, took, err)
	} else {
		ts.Logf("%v ended %v after SIGTERM: %v", args, took, err)
	}
}

// zeroed lets a tensor of a safetensors file hold nothing but zeros.
func zeroed(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	f, err := safetensors.Open(path)
	ts.Check(err)
	header := f.Header
	ts.Check(f.Close())
	for _, t := range header.Tensors {
		if t.Name != args[1] {
			continue
		}
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		ts.Check(err)
		_, err = file.WriteAt(make([]byte, t.End-t.Begin), header.DataStart+t.Begin)
		ts.Check(errors.Join(err, file.Close()))
		return
	}
	ts.Fatalf("%s has no tensor %s", args[0], args[1])
}

func keys(ts *testscript.TestScript, _ bool, args []string) {
	var document map[string]json.RawMessage
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	ts.Check(d.Decode(&document))
	if d.More() {
		ts.Fatalf("%s holds more than one document", args[0])
	}
	if string(document["schema"]) != "1" {
		ts.Fatalf("schema is %s", document["schema"])
	}
	for _, key := range args[1:] {
		if _, ok := document[key]; !ok {
			ts.Fatalf("%s lacks the key %s", args[0], key)
		}
	}
}

// TestBinary builds the program as make does, and runs it.
func TestBinary(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "qimport")
	build := exec.Command("go", "build", "-ldflags", "-X main.version=v1.2.3", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--version"}, "qimport version v1.2.3"},
		{[]string{"plan", "../../testdata/qwen3.5-moe-4bit", "--store", t.TempDir()}, "bits a weight"},
	} {
		out, err := exec.Command(binary, c.args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%v: %v\n%s", c.args, err, out)
		}
	}
}

// TestInterrupted: a signal ends an import with the status of its own, and the name stays away.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	store := t.TempDir()
	args := []string{"import", "../../testdata/qwen3.5-moe-4bit", "--store", store, "--verify", "none"}
	for _, c := range []struct {
		args []string
		want string
	}{
		{args, "qimport: interrupted\nhint: "},
		{append(args, "--json"), `{"schema":1,"error":"interrupted","hint":"`},
	} {
		var out, errs bytes.Buffer
		if status := run(ctx, c.args, stdio{in: strings.NewReader(""), out: &out, err: &errs}); status != exitInterrupted {
			t.Errorf("exit status %d, want %d\n%s", status, exitInterrupted, &errs)
		}
		if !strings.HasPrefix(errs.String(), c.want) || out.Len() > 0 {
			t.Errorf("stdout %q, stderr %q", &out, &errs)
		}
	}
	if _, err := os.Stat(filepath.Join(store, "manifests")); err == nil {
		t.Error("a manifest was written")
	}
}

func TestInterspersed(t *testing.T) {
	app := application(stdio{})
	for _, c := range []struct{ in, want string }{
		{"import DIR -q nvfp4", "import -q nvfp4 -- DIR"},
		{"import -q nvfp4 DIR --json", "import -q nvfp4 --json -- DIR"},
		{"import --override a=bf16 DIR --override=b=bf16 --dry-run", "import --override a=bf16 --override=b=bf16 --dry-run -- DIR"},
		{"--json list", "list --json"},
		{"--store S list --json", "list --store S --json"},
		{"run NAME -- --not-a-flag", "run -- NAME --not-a-flag"},
		{"run NAME - --think", "run --think -- NAME -"},
		{"cp a b", "cp -- a b"},
		{"help import", "help import"},
		{"--version", "--version"},
		{"frob --json x", "frob --json x"},
		{"-- list", "-- list"},
		{"import DIR -q", "import -q -- DIR"},
		{"import DIR --unknown x", "import --unknown -- DIR x"},
	} {
		got := interspersed(app, strings.Fields(c.in))
		if !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%s: %q, want %s", c.in, got, c.want)
		}
	}
}

// TestInterruptedWhileReadingStdin: a signal ends a command also where it waits for what does not come.
func TestInterruptedWhileReadingStdin(t *testing.T) {
	if !haveMLX() {
		t.Skip("models cannot be run here")
	}
	binary := filepath.Join(t.TempDir(), "qimport")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	command := exec.Command(binary, "run", "../../testdata/qwen3.5-bf16", "--device", "cpu")
	stdin, err := command.StdinPipe() // stays open
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	loaded, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.Close()
	command.Stderr = write
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	if _, err := loaded.Read(make([]byte, 1)); err != nil { // it says how the model is placed, then reads
		t.Fatal(err)
	}
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		command.Process.Kill()
		t.Fatal("it goes on")
	}
	if status := command.ProcessState.ExitCode(); status != exitInterrupted {
		t.Errorf("exit status %d, want %d", status, exitInterrupted)
	}
}
