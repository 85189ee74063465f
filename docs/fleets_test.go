package docs_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// fleet is a batch of three imports, and where it is carried out.
type fleet struct {
	dir string
	env []string
}

func newFleet(t *testing.T) fleet {
	t.Helper()
	models, err := filepath.Abs("../testdata")
	if err != nil {
		t.Fatal(err)
	}
	f := fleet{dir: t.TempDir()}
	f.env = []string{"PATH=" + filepath.Dir(binary(t)) + ":" + os.Getenv("PATH"), "OLLAMA_MODELS=" + filepath.Join(f.dir, "store"), "MODELS=" + models}
	const batch = "- source: ${MODELS}/qwen3.5-bf16\n  verify: blobs\n  matrix: {type: [int8, mxfp8, nvfp4]}\n  name: m:{type}\n"
	if err := os.WriteFile(filepath.Join(f.dir, "nightly.yaml"), []byte(batch), 0o644); err != nil {
		t.Fatal(err)
	}
	return f
}

// states are those of the fleet's imports.
func (f fleet) states(t *testing.T) (states []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary(t), "batch", "nightly.yaml", "--status", "--json")
	cmd.Dir, cmd.Env = f.dir, append(os.Environ(), f.env...)
	out, _ := cmd.Output() // its exit status says whether all is done
	var document struct{ Imports []struct{ State string } }
	if err := json.Unmarshal(out, &document); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, i := range document.Imports {
		states = append(states, i.State)
	}
	return states
}

// TestSlurmArray runs the script of docs/fleets as Slurm would, a task after the other.
func TestSlurmArray(t *testing.T) {
	f := newFleet(t)
	script, err := filepath.Abs("fleets/slurm-array.sh")
	if err != nil {
		t.Fatal(err)
	}
	for task := 5; task <= 7; task++ { // an array may begin anywhere
		env := append(slices.Clone(f.env), fmt.Sprint("SLURM_ARRAY_TASK_ID=", task), "SLURM_ARRAY_TASK_MIN=5", "SLURM_ARRAY_TASK_COUNT=3")
		runIn(t.Context(), t, f.dir, env, script, "nightly.yaml")
		want := slices.Concat(slices.Repeat([]string{"done"}, task-4), slices.Repeat([]string{"missing"}, 7-task))
		if got := f.states(t); !slices.Equal(got, want) {
			t.Errorf("after task %d: %v, want %v", task, got, want)
		}
		if b, err := os.ReadFile(filepath.Join(f.dir, fmt.Sprintf("summary-%d.xml", task))); err != nil || !strings.Contains(string(b), "<testsuite") {
			t.Errorf("task %d: %v", task, err)
		}
	}
}

// job is what the tests look at of a manifest of Kubernetes.
type job struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Spec       struct {
		CompletionMode string `yaml:"completionMode"`
		Completions    int
		Template       struct {
			Spec struct {
				RestartPolicy string `yaml:"restartPolicy"`
				Containers    []struct {
					Command, Args []string
					Env           []struct{ Name, Value string }
					VolumeMounts  []struct{ Name string } `yaml:"volumeMounts"`
				}
				Volumes []struct{ Name string }
			}
		}
	}
}

// TestKubernetesJob runs the shell of the manifest as its pods would, an index after the other, and holds the
// parts of it to each other.
func TestKubernetesJob(t *testing.T) {
	var j job
	if err := yaml.Unmarshal([]byte(read(t, "docs/fleets/kubernetes.yaml")), &j); err != nil {
		t.Fatal(err)
	}
	spec := j.Spec.Template.Spec
	if j.APIVersion != "batch/v1" || j.Kind != "Job" || j.Spec.CompletionMode != "Indexed" || spec.RestartPolicy != "Never" || len(spec.Containers) != 1 {
		t.Fatalf("%+v", j)
	}
	c, f := spec.Containers[0], newFleet(t)
	for _, m := range c.VolumeMounts {
		if !slices.Contains(spec.Volumes, struct{ Name string }{m.Name}) {
			t.Errorf("there is no volume %s", m.Name)
		}
	}
	here := strings.NewReplacer("/batch/", f.dir+"/", "/store", f.dir+"/store").Replace
	if err := os.Mkdir(filepath.Join(f.dir, "store"), 0o755); err != nil {
		t.Fatal(err)
	}
	env := f.env
	for _, e := range c.Env {
		switch e.Name {
		case "PARTS":
			if e.Value != fmt.Sprint(j.Spec.Completions) {
				t.Errorf("%s parts for %d completions", e.Value, j.Spec.Completions)
			}
			env = append(env, "PARTS=3")
		case "MODELS": // the fleet's own
		default:
			env = append(env, e.Name+"="+here(e.Value))
		}
	}
	for index := range 3 {
		args := append(slices.Clone(c.Command[1:]), here(c.Args[0]))
		runIn(t.Context(), t, f.dir, append(slices.Clone(env), fmt.Sprint("JOB_COMPLETION_INDEX=", index)), c.Command[0], args...)
		if _, err := os.Stat(filepath.Join(f.dir, "store", fmt.Sprintf("summary-%d.xml", index))); err != nil {
			t.Error(err)
		}
	}
	if got := f.states(t); !slices.Equal(got, []string{"done", "done", "done"}) {
		t.Errorf("%v", got)
	}
}

// TestTrySlurm: the script that wants a Slurm is shell, and where QIMPORT_SLURM says that there is one, a node that
// is killed at work loses nothing.
func TestTrySlurm(t *testing.T) {
	runIn(t.Context(), t, ".", nil, "bash", "-n", "fleets/try-slurm.sh")
	if os.Getenv("QIMPORT_SLURM") == "" {
		t.Skip("QIMPORT_SLURM=1, as root, tries a real Slurm, which takes minutes")
	}
	out := runIn(t.Context(), t, ".", nil, "fleets/try-slurm.sh", binary(t))
	for _, want := range []string{"killed node2 after ", "requeue job ", "18 imports are there; part 2 went on after ", " 0 found damaged"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}
